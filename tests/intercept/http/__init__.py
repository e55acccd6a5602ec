"""Tests of the HTTP interceptors and of the egress guard."""
