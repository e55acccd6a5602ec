"""What a junit file may contain for its readers: the elements and attributes of junit-10, in their order."""

from __future__ import annotations

from pathlib import Path

from lxml import etree  # type: ignore[import-untyped]

GRAMMAR = b"""
<grammar xmlns="http://relaxng.org/ns/structure/1.0" datatypeLibrary="http://www.w3.org/2001/XMLSchema-datatypes">
  <start><element name="testsuites">
    <optional><attribute name="name"/></optional><zeroOrMore><ref name="suite"/></zeroOrMore>
  </element></start>
  <define name="suite"><element name="testsuite">
    <attribute name="name"/><attribute name="tests"/><attribute name="failures"/><attribute name="errors"/>
    <optional><attribute name="skipped"/></optional><optional><attribute name="timestamp"/></optional>
    <optional><attribute name="hostname"/></optional>
    <optional><attribute name="time"><data type="string"><param name="pattern">[0-9]*(\\.[0-9]{0,3})?</param></data>
    </attribute></optional>
    <zeroOrMore><choice><ref name="case"/><ref name="properties"/></choice></zeroOrMore>
  </element></define>
  <define name="case"><element name="testcase">
    <attribute name="name"/>
    <optional><attribute name="classname"/></optional><optional><attribute name="time"/></optional>
    <zeroOrMore><choice>
      <ref name="failure"/><element name="skipped"><ref name="text"/></element>
      <element name="error"><ref name="text"/></element>
      <element name="system-out"><text/></element><element name="system-err"><text/></element>
    </choice></zeroOrMore>
  </element></define>
  <define name="failure"><element name="failure"><ref name="text"/></element></define>
  <define name="text">
    <optional><attribute name="type"/></optional><optional><attribute name="message"/></optional><text/>
  </define>
  <define name="properties"><element name="properties"><zeroOrMore><element name="property">
    <attribute name="name"/><attribute name="value"/></element></zeroOrMore></element></define>
</grammar>
"""


def read_valid(path: Path) -> etree._Element:
    """The root of a junit file. Fails when a strict reader would refuse it."""
    document = etree.parse(str(path))
    etree.RelaxNG(etree.fromstring(GRAMMAR)).assertValid(document)
    return document.getroot()
