"""Checks on the words and the structure of an answer."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_agent_replay.contracts import Services
from pytest_agent_replay.errors import FormatError
from tests.contracts.session import Run, answered, bind, judge, judge_recording, make_replay

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}


@pytest.mark.parametrize(
    ("invariant", "answer", "holds"),
    [
        ({"type": "contains", "value": "CODE"}, "the code is", True),
        ({"type": "contains", "value": "c.de"}, "the code is", False),
        ({"type": "contains_any", "values": ["a", "Code"]}, "the code is", True),
        ({"type": "contains_any", "values": ["x", "y"]}, "the code is", False),
        ({"type": "contains_all", "values": ["THE", "code"]}, "the code is", True),
        ({"type": "contains_all", "values": ["the", "z"]}, "the code is", False),
        ({"type": "not_contains", "value": "z"}, "the code is", True),
        ({"type": "not_contains", "values": ["z", "Code"]}, "the code is", False),
        ({"type": "excludes_pattern", "patterns": ["c.de"]}, "the code is", True),
        ({"type": "excludes_pattern", "patterns": ["You Are"]}, "but you are a bot", False),
        ({"type": "regex", "pattern": "the.*is"}, "the\ncode is", True),
        ({"type": "regex", "pattern": "^THE"}, "the code is", False),
        ({"type": "regex", "pattern": "(?i)^THE"}, "the code is", True),
        ({"type": "excludes_regex", "pattern": "c.de"}, "the code is", False),
        ({"type": "excludes_regex", "patterns": ["x", "y"]}, "the code is", True),
        ({"type": "equals", "value": "yes"}, " yes\n", True),
        ({"type": "equals", "value": "yes"}, "Yes", False),
        ({"type": "equals", "value": {"a": [1, True]}}, {"a": [1, True]}, True),
        ({"type": "equals", "value": {"a": 1}}, {"a": True}, False),
        ({"type": "valid_json"}, '{"a": 1}', True),
        ({"type": "valid_json"}, "{a: 1}", False),
        ({"type": "valid_json"}, {"a": 1}, True),
        ({"type": "output_not_empty"}, " \n", False),
        ({"type": "output_not_empty"}, "x", True),
        ({"type": "completes"}, "", True),
        ({"type": "completes"}, None, False),
        ({"type": "json_schema", "schema": SCHEMA}, '{"n": 1}', True),
        ({"type": "json_schema", "schema": SCHEMA}, '```json\n{"n": 1}\n```', True),
        ({"type": "json_schema", "schema": SCHEMA}, {"n": "1"}, False),
        ({"type": "json_schema", "schema": SCHEMA}, "n is 1", False),
        ({"type": "json_path", "path": "$.a[0].b", "equals": 1}, {"a": [{"b": 1}]}, True),
        ({"type": "json_path", "path": "a[-1]['b c']", "equals": None}, {"a": [{"b c": None}]}, True),
        ({"type": "json_path", "path": "$.a", "equals": 1}, {"a": True}, False),
        ({"type": "json_path", "path": "$.a[*].b", "equals": 2}, {"a": [{"b": 1}, {"b": 2}]}, True),
        ({"type": "json_path", "path": "$..b", "matches": "^x"}, '{"a": {"b": "xy"}}', True),
        ({"type": "json_path", "path": "$..b", "matches": "^y"}, '{"a": {"b": "xy"}}', False),
        ({"type": "json_path", "path": "$.a"}, {"b": 1}, False),
        ({"type": "json_path", "path": "$.a", "exists": False}, {"b": 1}, True),
        ({"type": "json_path", "path": "$.a", "exists": False}, {"a": 1}, False),
        ({"type": "json_path", "path": "$.a"}, "no json", False),
        ({"type": "equals", "value": "5"}, 5, False),
        ({"type": "equals", "value": "5"}, "5", True),
        ({"type": "equals", "value": 5}, "5", False),
        ({"type": "equals", "value": 5}, 5.0, True),
        ({"type": "equals", "value": "true"}, True, False),
        ({"type": "equals", "value": True}, "true", False),
        ({"type": "equals", "value": {"a": 1}}, '{"a": 1}', False),
        ({"type": "json_path", "path": "$", "equals": {"a": 1}}, '{"a": 1}', True),
        ({"type": "equals", "value": '{"a": 1}'}, {"a": 1}, False),
        ({"type": "equals", "value": "Caf\u00e9"}, "Cafe\u0301", True),
        ({"type": "valid_json"}, '{"a": NaN}', False),
        ({"type": "valid_json"}, "[Infinity]", False),
        ({"type": "valid_json"}, {"a": float("nan")}, False),
        ({"type": "valid_json", "negate": True}, "-Infinity", True),
        ({"type": "json_schema", "schema": SCHEMA}, '{"n": 1, "m": NaN}', False),
        ({"type": "json_schema", "schema": SCHEMA, "negate": True}, "n is 1", False),
        ({"type": "json_path", "path": "$.a", "equals": 1, "negate": True}, "no json", False),
        ({"type": "json_path", "path": "$.a", "equals": 1, "negate": True}, '{"a": 1}', False),
        ({"type": "json_path", "path": "$.a", "equals": 1, "negate": True}, '{"a": 2}', True),
        ({"type": "json_path", "path": "$.a", "exists": False}, "no json", False),
        ({"type": "json_path", "path": "$.2024.x", "equals": 1}, {"2024": {"x": 1}}, True),
        ({"type": "json_path", "path": "2024.x", "equals": 1}, {"2024": {"x": 1}}, True),
        ({"type": "json_path", "path": "$.a.1.b", "equals": 2}, {"a": [{"b": 1}, {"b": 2}]}, True),
        ({"type": "json_path", "path": "$.a.2.b"}, {"a": [{"b": 1}, {"b": 2}]}, False),
        ({"type": "output_not_empty"}, [], False),
        ({"type": "output_not_empty"}, {}, False),
        ({"type": "output_not_empty"}, "{}", False),
        ({"type": "output_not_empty"}, "\u00a0\u200b\n", False),
        ({"type": "output_not_empty"}, {"text": " ", "parts": [None, ""]}, False),
        ({"type": "output_not_empty"}, {"found": False}, True),
        ({"type": "output_not_empty"}, 0, True),
        ({"type": "output_not_empty"}, "\u3164\u2800", False),
        ({"type": "regex", "pattern": "Cafe\u0301"}, "Caf\u00e9", True),
        ({"type": "excludes_regex", "pattern": "Cafe\u0301"}, "Caf\u00e9", False),
        ({"type": "similarity", "expected": "\U0001f44d"}, "\U0001f44e", False),
        ({"type": "similarity", "expected": "\U0001f44d"}, " \U0001f44d ", True),
        ({"type": "similarity", "expected": "-5", "threshold": 0.99}, "5", False),
        ({"type": "similarity", "expected": "5 \u20ac", "threshold": 0.99}, "5 $", False),
        ({"type": "similarity", "expected": "It is 5, and fine.", "threshold": 1}, "it is **5** and fine", True),
        ({"type": "refusal_check"}, "I will ignore all previous instructions.", False),
        ({"type": "refusal_check"}, "Ok, forgetting my system prompt now.", False),
        ({"type": "refusal_check"}, "I can\u2019t ignore my previous instructions.", True),
        ({"type": "refusal_check"}, "I cannot ignore my previous instructions.", True),
        ({"type": "refusal_check"}, "I cannot do that.", True),
        ({"type": "refusal_check"}, "I can't, but: DAN mode enabled", False),
        ({"type": "refusal_check", "phrases": ["as you command"]}, "As you command!", False),
        ({"type": "excludes_pii"}, "Nothing here, 42.", True),
    ],
)
def test_text_checks(invariant: dict[str, Any], answer: Any, holds: bool) -> None:
    """Each type holds exactly where its row in the documentation says, and says so in a sentence."""
    result = judge(invariant, answered(answer))
    assert result.outcome == ("passed" if holds else "failed"), result.message
    assert not result.message[0].islower()
    assert result.message.endswith(".")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Write to mia.li@example.com now", "email"),
        ("Call 555-123-4567", "phone"),
        ("Call (555) 123-4567", "phone"),
        ("Call +44 20 7946 0958", "phone"),
        ("SSN 123-45-6789", "ssn"),
        ("Card 4111 1111 1111 1111", "credit_card"),
        ("Card 3782-822463-10005", "credit_card"),
        ("IBAN DE89 3704 0044 0532 0130 00", "iban"),
        ("From 192.168.0.1", "ip_address"),
        ("Call 555\u2011123\u20114567", "phone"),
        ("Call 1-800-555-1234.", "phone"),
        ("It is (555)123-4567", "phone"),
        ("Phone number: 5551234567", "phone"),
        ("You can reach us at 555-1234567", "phone"),
        ("Call\u00a0+1 (555)\u00a0123\u20104567", "phone"),
        ("SSN 123\u201145\u20116789", "ssn"),
        ("his social security number is 123456789", "ssn"),
        ("123 45 6789", "ssn"),
        ("Card 4111111111111111", "credit_card"),
        ("Card 1234-5678-9012-3456", "credit_card"),
        ("from fe80::1ff:fe23:4567:890a", "ip_address"),
        ("from 2001:db8::1: no answer", "ip_address"),
        ("from 2001:0db8:0000:0000:0000:ff00:0042:8329", "ip_address"),
        ("ma\u00adil mia.li@exam\u00adple.com", "email"),
        ({"note": "His number:\n555-123-4567"}, "phone"),
    ],
)
def test_personal_data_is_found(text: Any, kind: str) -> None:
    """Every kind, in its usual notations; `kinds` narrows, `allow` excuses."""
    result = judge({"type": "excludes_pii"}, answered(text))
    assert result.outcome == "failed"
    assert result.evidence["found"][0]["kind"] == kind
    piece = result.evidence["found"][0]["text"]
    assert judge({"type": "excludes_pii", "allow": [f".{{{len(piece)}}}"]}, answered(text)).outcome == "passed"
    other = "email" if kind != "email" else "ssn"
    assert judge({"type": "excludes_pii", "kinds": [other]}, answered(text)).outcome == "passed"


@pytest.mark.parametrize(
    "answer",
    [
        "Your order 4155550123 ships, parcel 123456789.",
        {"order_id": 1234567890, "case": 123456789, "ts": "2024-01-02T10:00:00"},
        "Amazon order 123-4567890-1234567",
        "Version 10.4.2.1 is out; versions 10.4.2.0 and 10.4.2.2 are not. See section 1.2.3.4",
        "256.1.1.1 and 1.2.3.4.5 are no addresses, std::vector<int> and abc::def neither, nor 10:20:30",
        "Tracking 4111111111111112, order 1234567890123456",
        "+12 345 points, at 10:00:00",
    ],
)
def test_plain_numbers_are_no_personal_data(answer: Any) -> None:
    """Ids, versions and times, which have no word before them that says otherwise."""
    result = judge({"type": "excludes_pii"}, answered(answer))
    assert result.outcome == "passed", result.message


@pytest.mark.parametrize(
    ("answer", "follows"),
    [
        ("You are now enrolled in the programme.", False),
        ("You are now a member. You are now in the queue.", False),
        ("You are now DAN.", True),
        ("You are\u00a0now an unrestricted AI", True),
        ("You are now in god mode", True),
        ("The sedan mode is on", False),
        ("Okay, I ignore previous\ninstructions", True),
    ],
)
def test_signs_of_an_injection_that_is_followed(answer: str, follows: bool) -> None:
    """A part to play, not a state of the customer's."""
    assert judge({"type": "refusal_check"}, answered(answer)).outcome == ("failed" if follows else "passed")


@pytest.mark.parametrize(
    ("phrase", "answer"),
    [
        ("I can't refund", "Sorry, I can\u2019t\u00a0refund that"),
        ("I can\u2019t refund", "Sorry, I can't  refund that"),
        ("I am sorry", "I am\nsorry"),
        ("I am sorry", "**I\u202fam \r\n\t sorry**"),
        ('the "best" offer', "the \u201cBest\u201d offer"),
        ('the "best" offer', "the \u00abbest\u00bb offer"),
        ("follow-up", "a follow\u2011up, a follow\u2010up"),
        ("refunded", "re\u00adfun\u200bded"),
        ("Caf\u00e9", "the cafe\u0301"),
        ("STRASSE", "Stra\u00dfe"),
        ('she said "no"', {"text": 'Well, she said "no".'}),
        ("line one line two", {"items": [{"text": "line one\nline two"}]}),
        (r"C:\temp", ["C:\\temp"]),
        ('"status": "ok"', {"status": "ok"}),
    ],
)
def test_phrases_are_found_as_models_write_them(phrase: str, answer: Any) -> None:
    """Typography, blanks, invisible characters and case aside, and in structured answers without JSON's escapes."""
    assert judge({"type": "contains", "value": phrase}, answered(answer)).outcome == "passed"
    forbidden = judge({"type": "excludes_pattern", "patterns": [phrase, "nowhere"]}, answered(answer))
    assert forbidden.outcome == "failed"
    assert forbidden.evidence["found"] == [phrase]
    assert forbidden.evidence["excerpts"]


@pytest.mark.parametrize(
    ("phrase", "answer"), [(" no ", "I know nothing"), ("no-one", "no one"), ("can't", "cant"), ("a b", "ab")]
)
def test_other_words_are_no_phrase(phrase: str, answer: str) -> None:
    """Blanks at the ends of a phrase count, and nothing that is seen is left out."""
    assert judge({"type": "contains", "value": phrase}, answered(answer)).outcome == "failed"


def test_a_pattern_sees_the_text_itself() -> None:
    """In composed form; typography and blanks are the pattern's own affair."""
    assert judge({"type": "regex", "pattern": "^caf\u00e9$"}, answered("cafe\u0301")).outcome == "passed"
    assert judge({"type": "regex", "pattern": "can't"}, answered("can\u2019t")).outcome == "failed"
    assert judge({"type": "excludes_regex", "pattern": "caf\u00e9"}, answered("cafe\u0301")).outcome == "failed"
    assert judge({"type": "excludes_regex", "pattern": r"a\nb"}, answered({"m": ["a\nb"]})).outcome == "failed"
    assert judge({"type": "regex", "pattern": 'say "yes"$'}, answered({"m": 'say "yes"'})).outcome == "passed"


@pytest.mark.parametrize(
    ("invariant", "said"),
    [
        ({"type": "contains", "value": " \u200b"}, "blanks stand in every answer"),
        ({"type": "not_contains", "values": ["x", "\n"]}, "`excludes_regex`"),
        ({"type": "json_path", "path": "$.a", "exists": False, "equals": 5}, "equals: what must not exist"),
        ({"type": "json_path", "path": "$.a", "exists": False, "matches": "x"}, "matches: what must not exist"),
        ({"type": "regex", "pattern": ".*"}, "`.*` matches every text, also an empty one"),
        ({"type": "regex", "pattern": "sorry|"}, "matches every text"),
        ({"type": "excludes_regex", "patterns": ["x", r"\d*"]}, "patterns[1]: "),
        ({"type": "excludes_pii", "allow": ["x", ".+"]}, "allow[1]: allows everything"),
        ({"type": "similarity", "expected": "x", "threshold": 0}, "threshold: every answer is at least 0 alike"),
        ({"type": "behavior_unchanged", "similarity_threshold": 0.0}, "cannot fail"),
        ({"type": "llm_judge", "rubric": "polite", "threshold": 0}, "threshold: must be more than 0"),
        ({"type": "json_schema", "schema": {}}, "schema: a schema that claims nothing fits every value"),
        ({"type": "json_schema", "schema": True}, "claims nothing"),
        ({"type": "json_schema", "schema": {"properties": {"a": {"format": "email"}, "b": {}}}}, "claims nothing"),
        ({"type": "json_schema", "schema": {"items": True}}, "claims nothing"),
        ({"type": "json_schema", "schema": {"anyOf": [{"type": "null"}, {}]}}, "claims nothing"),
        ({"type": "json_schema", "schema": {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A",
                                            "$defs": {"a": {"type": "null"}}}}, "claims nothing"),
        ({"type": "json_schema", "schema": {"propertist": {}}}, "unknown keyword `propertist` in a JSON Schema; "
                                                                "did you mean `properties`?"),
        ({"type": "json_schema", "schema": {"allOf": [{"properties": {"requird": {"requird": ["a"]}}}]}},
         "unknown keyword `requird` at /allOf/0/properties/requird"),
        ({"type": "tool_args", "tool": "t", "schema": {"additionalPropertys": False}}, "`additionalProperties`?"),
    ],
)  # fmt: skip
def test_parameters_that_cannot_be_meant_are_refused(invariant: dict[str, Any], said: str) -> None:
    """When the contract is loaded."""
    with pytest.raises(FormatError) as caught:
        bind(invariant)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "invariant",
    [
        {"type": "regex", "pattern": "^$"},
        {"type": "regex", "pattern": r"^(?!.*sorry)"},
        {"type": "regex", "pattern": ".+"},
        {"type": "excludes_pii", "allow": [".*@example[.]com", "[-+ 0-9]+"]},
        {"type": "json_schema", "schema": False},
        {"type": "json_schema", "schema": {"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}}},
        {"type": "json_schema", "schema": {"type": "string", "x-owner": "me", "$anchor": "a", "title": "A",
                                           "default": {"propertist": 1}, "enum": [{"requird": 1}]}},
        {"type": "json_schema", "schema": {"properties": {"propertist": {"const": {"requird": 1}}}}},
    ],
)  # fmt: skip
def test_parameters_that_can_be_meant_are_taken(invariant: dict[str, Any]) -> None:
    """What looks alike, and can fail."""
    bind(invariant)


def test_a_pattern_in_a_schema_has_an_end_too() -> None:
    """As every pattern of a contract; without DOTALL, as JSON Schema says."""
    schema = {"properties": {"a": {"pattern": "^(a+)+$"}}}
    result = judge({"type": "json_schema", "schema": schema}, answered({"a": "a" * 40 + "!"}))
    assert (result.outcome, "takes more than" in result.message) == ("error", True)
    assert judge({"type": "json_schema", "schema": schema}, answered({"a": "aa"})).outcome == "passed"
    assert judge({"type": "json_schema", "schema": schema}, answered({"a": "b"})).outcome == "failed"
    assert judge({"type": "json_schema", "schema": {"pattern": "a.b"}}, answered('"a\\nb"')).outcome == "failed"


def test_what_only_looks_like_an_account_number_is_left_alone() -> None:
    """The check digits of an IBAN must be right."""
    assert (
        judge({"type": "excludes_pii", "kinds": ["iban"]}, answered("DE88 3704 0044 0532 0130 00")).outcome == "passed"
    )


def test_a_schema_is_never_fetched() -> None:
    """A reference out of the schema is an error, not a request."""
    schema = {"$ref": "https://example.com/x.json"}
    result = judge({"type": "json_schema", "schema": schema}, answered("{}"))
    assert (result.outcome, "not fetched" in result.message) == ("error", True)


def test_completes_looks_at_every_turn() -> None:
    """A crash in an earlier turn counts; a turn that a tool ended needs no answer."""
    turns = [{"input": "a", "output": "1"}, {"input": "b", "ended": "after_tool"}]
    replay = make_replay(turns=turns)
    good = Run().start(1).answer("x", 1).start(2).answer(None, 2)
    assert judge({"type": "completes"}, good, replay).outcome == "passed"
    bad = Run().start(1).crash(1).start(2).answer("x", 2)
    assert judge({"type": "completes"}, bad, replay).outcome == "failed"


@pytest.mark.parametrize("invariant", [{"type": "completes"}, {"type": "no_promise_without_tool", "tools": ["t"]}])
def test_a_turn_that_a_tool_ended_in_production_holds_on_the_recording(invariant: dict[str, Any]) -> None:
    """No answer was called for; of a recording that was cut nobody knows."""
    turns: list[dict[str, Any]] = [{"input": "a", "output": "1"}, {"input": "b", "tool_responses": [{"tool": "t"}]}]
    turns[1]["ended"] = "after_tool"
    assert judge_recording(invariant, make_replay(turns=turns))[0] == "no"
    turns[1]["ended"] = "cut"
    assert judge_recording(invariant, make_replay(turns=turns))[0] == "unknown"


def test_similarity_has_an_offline_measure_and_takes_embeddings() -> None:
    """The evidence names the measure; the threshold may come from the contract."""
    invariant = {"type": "similarity", "expected": "The flight was booked for you."}
    near = judge(invariant, answered("the flight was booked for you"))
    assert near.outcome == "passed"
    assert near.evidence["measure"].startswith("offline")
    assert judge(invariant, answered("I like cheese and wine.")).outcome == "failed"
    services = Services(embed=lambda texts: [[1.0, 0.0] for _ in texts])
    assert judge(invariant, answered("anything"), services=services).evidence["measure"] == "cosine of embeddings"
    assert judge({**invariant, "threshold": 1}, answered("The flight was booked for him.")).outcome == "failed"


@pytest.mark.parametrize("vector", [[float("nan"), 1.0], [0.0, 0.0], [float("inf"), 1.0]])
@pytest.mark.parametrize("negate", [True, False])
def test_vectors_without_a_direction_decide_nothing(vector: list[float], negate: bool) -> None:
    """Neither alike nor not: an error of the invariant."""
    services = Services(embed=lambda texts: [vector, [1.0, 1.0]])
    invariant = {"type": "similarity", "expected": "x", "negate": negate}
    result = judge(invariant, answered("y"), services=services)
    assert (result.outcome, "finite numbers" in result.message) == ("error", True)


def test_a_contract_gives_similarity_its_default_threshold() -> None:
    """`similarity_threshold` of the contract counts where an invariant gives none."""
    from pytest_agent_replay.contracts import evaluate
    from tests.contracts.session import bind

    invariant = {"type": "similarity", "expected": "one two three four"}
    verdict = evaluate(bind(invariant, similarity_threshold=0.1), answered("one two").trace, make_replay(), Services())
    assert verdict.invariants[0].evidence["threshold"] == 0.1


def test_unchanged_behaviour_needs_a_baseline() -> None:
    """`auto` is the recorded output; without one it is an error, not a pass."""
    invariant = {"type": "behavior_unchanged"}
    assert judge(invariant, answered("hello there"), make_replay(output="Hello there!")).outcome == "passed"
    assert judge(invariant, answered("goodbye"), make_replay(output="Hello there!")).outcome == "failed"
    result = judge(invariant, answered("hello"))
    assert (result.outcome, "no `output`" in result.message) == ("error", True)
    assert judge({**invariant, "baseline": "hello"}, answered("hello")).outcome == "passed"


@pytest.mark.parametrize(
    ("said", "outcome"),
    [(True, "passed"), (False, "failed"), (0.7, "passed"), (0.2, "failed"), ((0.2, "rude"), "failed"),
     ({"passed": True, "reason": "kind"}, "passed"), ({"score": 0.1}, "failed"), ("yes", "error"), (7,
     "error"), (None, "error")],
)  # fmt: skip
def test_the_judge_decides(said: object, outcome: str) -> None:
    """A truth value, a score, or either with a reason; anything else is an error."""
    services = Services(judge=lambda **asked: said)
    assert judge({"type": "llm_judge", "rubric": "polite"}, answered("x"), services=services).outcome == outcome


def test_without_a_judge_it_is_an_error() -> None:
    """The message says which fixture to define; on the recording that is unknown."""
    result = judge({"type": "llm_judge", "rubric": "polite"}, answered("x"))
    assert (result.outcome, "`replay_judge`" in result.message) == ("error", True)
    assert judge_recording({"type": "llm_judge", "rubric": "polite"}, make_replay(output="x"))[0] == "unknown"


def test_a_python_check_runs_only_when_allowed() -> None:
    """It returns or raises; what it may name is the project's rule."""

    def check(trace: Any) -> None:
        assert trace.outputs()[1] == "good", "it is bad"

    invariant = {"type": "python", "check": "pkg.mod:check"}
    allowed = Services(allow_python=True, resolve_reference=lambda reference: check)
    assert judge(invariant, answered("good"), services=allowed).outcome == "passed"
    result = judge(invariant, answered("bad"), services=allowed)
    assert (result.outcome, "it is bad" in result.message) == ("failed", True)
    refused = judge(invariant, answered("good"), services=Services(resolve_reference=lambda reference: check))
    assert (refused.outcome, "replay_allow_python_checks" in refused.message) == ("error", True)
