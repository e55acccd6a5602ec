"""The desk on the day of the incident: nothing stood between the model and its tools."""

from loans import build

desk = build(with_rule=False)
