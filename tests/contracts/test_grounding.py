"""`grounded_numbers`, `grounded_quotes` and `cites_source`."""

from __future__ import annotations

import json
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from pytest_agent_replay.contracts.derivation import Answers
from pytest_agent_replay.contracts.figures import Date, Number, read_figures
from pytest_agent_replay.contracts.grounds import Grounds
from tests.contracts.session import Run, answered, judge, judge_recording, make_replay

SESSIONS = Path(__file__).parents[3] / "shared" / "data" / "tau-bench" / "airline-even-tasks.json"


def complaints(answer: str, *given: Any, prose: str = "") -> list[str]:
    grounds = Grounds()
    for value in given:
        grounds.add(value, "a tool")
    grounds.add(prose, "the input", prose=True)
    return [figure.text for figure in Answers(grounds).read(answer)]


@pytest.mark.parametrize(
    ("answer", "given"),
    [
        ("It was $4.2 million.", {"revenue": 4187000}),
        ("It was $4.2M.", "Revenue: 4,187,000 USD"),
        ("It was 4.2 million.", {"revenue": 4.2, "unit": "USD millions"}),
        ("It was 4.2 million.", {"revenue_millions": 4.2}),
        ("It is 1.234,50 €.", {"price": 1234.5}),
        ("It is $19.99.", {"amount": 1999, "currency": "usd"}),
        ("Growth was 37%.", {"growth": 0.37}),
        ("Growth was 37.4 percent.", {"growth": 0.3742}),
        ("A fraction of 0.37.", "37%"),
        ("We lost 5 million.", {"profit": -5_000_000}),
        ("It leaves on May 20, 2024 at 2 PM.", {"departs": "2024-05-20T14:00:00"}),
        ("It leaves on 20 May.", {"date": "2024-05-20"}),
        ("It took 30 seconds.", {"latency_ms": 30000}),
        ("It takes 2h 30m.", {"duration_minutes": 150}),
        ("It takes 2.5 hours.", {"departure": "06:00:00", "arrival": "08:30:00"}),
        ("Your booking HAT-069 is fine.", {"flight": "HAT069"}),
        ("Certificate 7504069 is used.", {"id": "certificate_7504069"}),
        ("Call (555) 123-4567.", {"phone": "+1 555.123.4567"}),
        ("There are 2 passengers.", {"passengers": [{"name": "A"}, {"name": "B"}]}),
        ("I found 3 options.", [{"x": "a"}, {"x": "b"}, {"x": "c"}]),
        ("In all it is $255.", {"legs": [{"prices": {"economy": 152}}, {"prices": {"economy": 103}}]}),
        ("About 4,000 people came.", {"people": 4187}),
        ("It costs $152 and $103, a total of $255.", {"prices": [152, 103, 7]}),
        ("Prices: $152, $103 and $7. Total: $262", {"prices": [152, 103, 7]}),
        ("$50 for each of 3 passengers: a total of $150.", {"gesture": 50, "number": 3}),
        ("3 out of 4 tests passed, 75%.", {"passed": 3, "total": 4}),
        ("You saved $12 (10% off $120).", {"price": 120, "percent": 10}),
        ("It rose from 80 to 100, a 25% increase.", {"before": 80, "after": 100}),
        ("It leaves at 9:00 and lands at 11:15, so it takes 2 hours 15 minutes.", "from 9:00 to 11:15"),
        ('Result: {"price": 152}', '{"price": 152}'),
        ("It was 42.", 42),
        ("You stay 3 nights, a 3-night stay.", {"check_in": "2026-03-12", "check_out": "2026-03-15"}),
        ("From 12 to 15 March, 3 nights.", {"check_in": "2026-03-12", "check_out": "2026-03-15"}),
        ("From March 12 until March 15, that is 3 nights.", "between 2026-03-12 and 2026-03-15"),
        ("It is March 2-5.", {"from": "2026-03-02", "to": "2026-03-05"}),
        ("March 2-5 is free, and 2–5 March 2026 too.", {"from": "2026-03-02", "to": "2026-03-05"}),
        ("March 2 to 5 is free.", {"from": "2026-03-02", "to": "2026-03-05"}),
        ("2 and 5 March.", {"count": 2, "day": "2026-03-05"}),
        ("It takes 2h30m.", {"departure": "06:00:00", "arrival": "08:30:00"}),
        ("1:30 min, or 1m30s.", {"seconds": 90}),
        ("2:30 h", {"duration_minutes": 150}),
        ("$152 and $188. The first is $36 cheaper.", {"prices": [152, 188]}),
        ("Both items (2) are here.", {"items": [{"name": "a"}, {"name": "b"}]}),
        ("It expires in September 2027, 09/2027.", {"card": {"exp": "09/27"}, "day": "2026-03-01"}),
        ("It expires 09/27.", {"card": {"exp": "09/27"}}),
        ("It costs about $5.", {"price": 4.5}),
        ("It grew about 5 %.", {"growth": 0.047}),
        ("It takes 2 hours.", {"duration_minutes": 120}),
        ("It takes about 2 hours.", {"duration_minutes": 110}),
        ("It takes under 2 hours, over 1 hour.", {"duration_minutes": 90}),
        ("It takes 90.", {"duration_minutes": 90}),
        ("It takes 2 h 30 min.", {"hours": 2, "minutes": 30}),
        ("It took 120 and 90 ms.", {"latencies_ms": [120, 90]}),
        ("You stay 3 nights.", {"min_stay": 3}),
        ("You stay 3 nights.", {"stay": 3}),
        ("Over 4 million.", {"revenue": 4187000}),
        ("More than **4 million**.", {"revenue": 4187000}),
        ("No less than 4 million.", {"revenue": 4187000}),
        ("About 4 million.", {"revenue": 4187000}),
        ("Under 5 million.", {"revenue": 4187000}),
        ("Nearly 4 million.", {"revenue": 3950000}),
        ("A revenue > 4 million.", {"revenue": 4187000}),
        ("Over 4,000 people came.", {"people": 4187}),
        ("Less than $50 and up to 5 days.", {"threshold": 50, "delay": 5}),
        ("Losses of over 5 million.", {"profit": -5_200_000}),
        ("It fell by 5 %.", {"change_pct": -5}),
        ("The price fell. 5 % is the growth.", {"growth": 0.05}),
        ("It rose by 5 %, a 5 % increase, up about 5 %.", {"change_pct": 5}),
        ("It is up to 5 %.", {"change_pct": -5}),
        ("It went down 5.", {"reduction": 5}),
        ("A loss of 5 million.", {"profit": -5_000_000}),
        ("It is 5m away.", {"distance": 5}),
        ("It is 4K, seat 12B.", {"screen": "4K", "seat": "12B"}),
        ("It is 1\u00a0234,50 € or 1\u202f234,50 €.", {"price": 1234.5}),
        ("It is $1.2-1.5 million, $1.2–$1.5 million.", {"low": 1200000, "high": 1500000}),
        ("Between $1.2 and $1.5 million, **1.2** to **1.5M**.", {"low": 1200000, "high": 1500000}),
        ("It is 10-15%, 10 to 15 percent, 10%-15%, 10–15 %.", {"low": 0.1, "high": 0.15}),
        ("10€-15€ and 10-15 EUR.", {"low": 10, "high": 15}),
        ("It takes 2 to 3 hours, 2-3 hours.", {"least_minutes": 120, "most_minutes": 180}),
        ("It takes 5-7 days.", {"min_days": 5, "max_days": 7}),
        ("It leaves at 11.30 pm.", {"departs": "2026-05-03T23:30:00Z"}),
        ("It is open 9-11 am, 9 to 11 am, 10 to 2 pm.", {"from": "09:00", "to": "11:00", "a": "10:00", "b": "14:00"}),
        ("It is version 1.2.3.", {"version": "v1.2.3"}),
        ("It is v1.2.3, for v1.2.", {"version": "1.2.3", "api": "1.2"}),
        ("You want 20 or 21, 350 of 1,200.", "twenty or twenty-one, three hundred and fifty of twelve hundred"),
        ("Your order is ORD12345.", {"id": "ORD-12345"}),
        ("The average of $120 and $80.50 is $100.25.", {"prices": [120, 80.5]}),
        ("It costs $20, which is 2000 cents.", {"amount_cents": 2000}),
        ("It costs $5 per hour, $50 a day.", {"prices": {"hour": 5, "per_day": 50}}),
        ("It is $20 to $30.", {"salary_min": 20, "salary_max": 30}),
        ("A 24-hour pass is $24, 24 of them.", "A $24 pass for 24 hours."),
        ("Order 2024-15-74.", {"id": "2024-15-74"}),
        ("120/80.5 = 1.491, a ratio of 1.491.", {"prices": [120, 80.5], "ratio": 1.4907}),
    ],
)
def test_honest_figures_are_accepted(answer: str, given: Any) -> None:
    """Notation, unit, rounding, counting and simple arithmetic on the answer's own figures do not make a figure new."""
    assert complaints(answer, given) == []


@pytest.mark.parametrize(
    ("answer", "given", "figure"),
    [
        ("It was $4.2 million.", {"error": "timeout"}, "$4.2 million"),
        ("It was $4.3 million.", {"revenue": 4187000}, "$4.3 million"),
        ("It was $4,187.", {"revenue": 4187000}, "$4,187"),
        ("It is $121.", {"price": 212}, "$121"),
        ("Growth was 38%.", {"growth": 0.37}, "38%"),
        ("It leaves on May 21, 2024.", {"date": "2024-05-20"}, "May 21, 2024"),
        ("It leaves on May 20, 2023.", {"date": "2024-05-20"}, "May 20, 2023"),
        ("It leaves at 2 PM.", {"time": "02:00:00"}, "2 PM"),
        ("It takes 3 hours.", {"departure": "06:00:00", "arrival": "08:00:00"}, "3 hours"),
        ("Flight HAT070.", {"flight": "HAT069"}, "HAT070"),
        ("It costs $69.", {"flight": "HAT069"}, "$69"),
        ("Reservation 4OG6T4.", {"id": "4OG6T3"}, "4OG6T4"),
        ("There are 3 passengers.", {"passengers": ["A", "B"], "bags": [1, 2, 4]}, "3"),
        ("Within 6 business days.", "5 to 7 business days", "6"),
        ("The change was -5.", {"change": 5}, "-5"),
        ("It costs $152 and $103, a total of $265.", {"prices": [152, 103]}, "$265"),
        ("It costs $255.", {"prices": [152, 103, 9]}, "$255"),
        ("Exactly 4,000 people came.", {"people": 4187}, "4,000"),
        ("Rated 5 of 5.", {"rating": 4.6}, "5"),
        ("You stay 4 nights.", {"check_in": "2026-03-12", "check_out": "2026-03-15"}, "4 nights"),
        ("From March 12 until March 15, that is 4 nights.", "between 2026-03-12 and 2026-03-15", "4 nights"),
        ("It is March 2-6.", {"from": "2026-03-02", "to": "2026-03-05"}, "March 2-6"),
        ("It is 2–6 March now.", {"from": "2026-03-02", "to": "2026-03-05"}, "2–6 March"),
        ("March 2 and 6 nights.", {"from": "2026-03-02", "to": "2026-03-05"}, "6 nights"),
        ("It takes 2h40m.", {"departure": "06:00:00", "arrival": "08:30:00"}, "2h40m"),
        ("1:40 min", {"seconds": 90}, "1:40"),
        ("1:30 min", {"starts": "01:30"}, "1:30"),
        ("$152 and $188. The first is $37 cheaper.", {"prices": [152, 188]}, "$37"),
        ("All items (3) are here.", {"items": [{"name": "a"}, {"name": "b"}]}, "3"),
        ("It expires in October 2027.", {"card": {"exp": "09/27"}}, "October 2027"),
        ("It expires in September 2027.", {"ratio": "09/27", "day": "2026-03-01"}, "September 2027"),
        ("It costs $4.", {"price": 4.5}, "$4"),
        ("It costs $5.", {"price": 4.5}, "$5"),
        ("It grew 5 %.", {"growth": 4.5}, "5 %"),
        ("It grew 5 %.", {"growth": 0.045}, "5 %"),
        ("It takes 90 hours.", {"duration_minutes": 90}, "90 hours"),
        ("It takes 90 days.", "It takes 90 minutes.", "90 days"),
        ("It takes 90 hours.", {"durations": {"flight_min": [90, 120]}}, "90 hours"),
        ("It takes 2 hours.", {"duration_minutes": 90}, "2 hours"),
        ("It takes 2h 30m.", {"flight": {"hours": 30, "minutes": 2}}, "2h 30m"),
        ("It takes over 2 hours.", {"duration_minutes": 90}, "2 hours"),
        ("It was less than 4 million.", {"revenue": 4187000}, "4 million"),
        ("It was **under** 4 million.", {"revenue": 4187000}, "4 million"),
        ("It was no more than 4 million.", {"revenue": 4187000}, "4 million"),
        ("It was nearly 4 million.", {"revenue": 4187000}, "4 million"),
        ("It was over 4.2 million.", {"revenue": 4187000}, "4.2 million"),
        ("It was ≥ 4.2 million.", {"revenue": 4187000}, "4.2 million"),
        ("Under 4,000 people came.", {"people": 4187}, "4,000"),
        ("It rose by 5 %.", {"change_pct": -5}, "5 %"),
        ("It is up about 5 %.", {"change": -0.05}, "5 %"),
        ("A 5% increase.", {"change_pct": -5}, "5%"),
        ("It fell by 5 %.", {"growth": 0.05}, "5 %"),
        ("It went up 5.", "The change was -5.", "5"),
        ("You get 50k.", {"points": 50}, "50k"),
        ("You get $50M.", {"points": 50}, "$50M"),
        ("You get $5m.", {"points": 5}, "$5m"),
        ("You get 5m dollars.", {"points": 5}, "5m"),
        ("You get 5bn.", {"points": 5}, "5bn"),
        ("You get 5b.", {"points": 5}, "5b"),
        ("It is $1.3-1.5 million.", {"low": 1200000, "high": 1500000}, "$1.3"),
        ("It is 11 to 15%.", {"low": 0.1, "high": 0.15}, "11"),
        ("It is 10-16%.", {"low": 0.1, "high": 0.15}, "16%"),
        ("10%-16%", {"low": 0.1, "high": 0.15}, "16%"),
        ("It takes 2 to 4 hours.", {"least_minutes": 120, "most_minutes": 180}, "4 hours"),
        ("It is v1.2.4.", {"version": "1.2.3"}, "v1.2.4"),
        ("It is v20.1.1.", {"version": "v20.1.0"}, "v20.1.1"),
        ("It is 10.0.0.10.", {"ip": "10.0.0.1"}, "10.0.0.10"),
        ("It is open 8-11 am.", {"from": "09:00", "to": "11:00"}, "8"),
        ("You want 22.", "twenty or twenty-one", "22"),
        ("You want 1 million.", {"text": "4.2 million, and no more"}, "1 million"),
        ("You want 50.", "fifty thousand", "50"),
        ("The average of $120 and $80.50 is $101.25.", {"prices": [120, 80.5]}, "$101.25"),
        ("Of $120 and $80.50, it costs $100.25.", {"prices": [120, 80.5]}, "$100.25"),
        ("It costs $2000.", {"amount_cents": 2000}, "$2000"),
        ("It costs $24.", "Cancel within 24 hours.", "$24"),
        ("It costs $12.", "12 % off", "$12"),
        ("It is 24% off.", "Cancel within 24 hours.", "24%"),
        ("It is 50% off.", "It costs $50.", "50%"),
        ("Within 50 hours.", "It costs $50.", "50 hours"),
        ("It leaves at 16:00 AM.", {"gates": [16, 0], "at": "06:00"}, "16:00 AM"),
    ],
)
def test_invented_figures_are_named(answer: str, given: Any, figure: str) -> None:
    """A figure that nothing gave is found, also close to one that was given."""
    assert figure in complaints(answer, given)


def test_a_time_in_the_users_words_may_be_meant_in_either_half() -> None:
    """`2:00` said by a user is 2 PM or 2 AM; from a tool, `02:00` is 2 AM."""
    assert complaints("At 2 PM.", prose="at 2:00 please") == []


def test_numbers_beyond_all_bounds_are_figures_as_any_other() -> None:
    """A number that no float holds neither breaks the check nor is it given."""
    assert complaints(f"It is ${'9' * 400}.00 of {10**400}.", {"n": 10**400, "price": 1}) != []


def test_a_figure_that_followed_before_may_be_repeated() -> None:
    """A total that an earlier answer derived counts as given in the later ones."""
    grounds = Grounds()
    grounds.add([152, 103], "a tool")
    answers = Answers(grounds)
    assert answers.read("$152 plus $103 is $255.") == []
    assert answers.read("So shall I charge $255?") == []


def test_sources_come_from_this_turn_and_earlier_ones() -> None:
    """What a tool gives in turn 2 does not ground the answer of turn 1."""
    replay = make_replay(turns=[{"input": "a", "output": "x"}, {"input": "b", "output": "y"}])
    run = Run().start(1).answer("It is 77.", 1).start(2).call("t", {"v": 77}, turn=2).answer("It is 77.", 2)
    assert judge({"type": "grounded_numbers", "turn": 1}, run, replay).outcome == "failed"
    assert judge({"type": "grounded_numbers"}, run, replay).outcome == "passed"


def test_the_message_says_the_figure_its_place_and_what_the_tools_did() -> None:
    """A reader needs no other file: figure, excerpt, nearest number and the failed tool are in the message."""
    run = (
        Run()
        .start()
        .call("market_data_api", failed=True, status=504)
        .call("search", {"hits": 3})
        .answer("It was $4.2 million.")
    )
    result = judge({"type": "grounded_numbers"}, run)
    assert result.outcome == "failed"
    assert "$4.2 million" in result.message
    assert "market_data_api failed with status 504" in result.message
    assert result.evidence["figures"][0]["nearest"] == {"value": 3.0, "source": "search"}


def test_input_context_and_error_texts_ground_figures() -> None:
    """The user's words, the context, and what a failing tool said are sources."""
    replay = make_replay(input="I want 11", context="At most 22 bags")
    run = Run().start(said="I want 11").call("pay", "total price is 305", failed=True).answer("11, 22 and 305")
    assert judge({"type": "grounded_numbers"}, run, replay).outcome == "passed"


def test_what_is_said_of_an_unrecorded_call_gives_nothing() -> None:
    """Its error names the arguments, which are the agent's own."""
    run = Run().start().call("refund", unrecorded=True, amount=305)
    run.trace.events[-1].payload["error"] = {"type": None, "message": "unrecorded call: refund(amount=305)"}
    assert judge({"type": "grounded_numbers"}, run.answer("305 are on their way.")).outcome == "failed"


def test_the_recorded_system_prompt_grounds_figures() -> None:
    """What production's model was told beforehand is a source, as the context is."""
    replay = make_replay(agent_config={"system_prompt": "Refunds take 14 days.", "temperature": 0.77})
    assert judge({"type": "grounded_numbers"}, answered("It takes 14 days."), replay).outcome == "passed"
    assert judge({"type": "grounded_numbers"}, answered("It takes 77 days."), replay).outcome == "failed"


def test_a_result_that_python_printed_grounds_as_json_does() -> None:
    """Its keys say what its numbers are; a text that only begins so is a text."""
    printed = "{'total_cents': 4599, 'paid': True, 'items': ({'n': 12}, None)}"
    assert complaints("It was $45.99, with 12.", printed) == []
    assert complaints("It was $45.98.", printed) == ["$45.98"]
    assert complaints("It was 4599.", "{'total_cents': 4599, 'by': <Customer 7>}") == []
    assert complaints("It was 4599.", "[" * 5000 + "4599") == []


def test_a_site_may_be_called_as_its_address() -> None:
    """The digits of a host are given, as a bare number."""
    assert complaints("See 91 Trends.", "https://91trends.com/us/ has them") == []
    assert complaints("See 92 Trends, for $91.", "https://91trends.com/") == ["92", "$91"]


def test_tolerance_and_ignore_relax() -> None:
    """A tolerance is a fraction of the source; an ignored pattern covers figures."""
    run = Run().start().call("t", {"v": 1000}).answer("It was 1,009.")
    assert judge({"type": "grounded_numbers"}, run).outcome == "failed"
    assert judge({"type": "grounded_numbers", "tolerance": 0.01}, run).outcome == "passed"
    assert judge({"type": "grounded_numbers", "ignore": ["was 1,\\d+"]}, run).outcome == "passed"


def test_the_recorded_invention_is_found() -> None:
    """Run against the recording, the check finds the figure that production made up."""
    replay = make_replay(output="$4.2 million.", tool_responses=[{"tool": "m", "status": 504, "response": None}])
    outcome, result = judge_recording({"type": "grounded_numbers", "when": "tool_faults_active"}, replay)
    assert outcome == "yes"
    assert "$4.2 million" in result.message


def test_quotations_must_occur() -> None:
    """Words in quotation marks are looked for, case, blanks and left-out words aside."""
    run = Run().start().call("doc", {"text": "The  quick brown fox jumps over the dog"})
    good = 'It says "the quick Brown fox" and “the quick … over the dog”.'
    assert judge({"type": "grounded_quotes"}, run.answer(good)).outcome == "passed"
    run = Run().start().call("doc", {"text": "The quick brown fox"})
    result = judge({"type": "grounded_quotes"}, run.answer('It says "the slow brown fox".'))
    assert result.outcome == "failed"
    assert "the slow brown fox" in result.message


@pytest.mark.parametrize(
    ("answer", "given", "outcome"),
    [
        ('It says "fund now takes".', "The refund now takes 5 days.", "failed"),
        ('It says "the refund now takes 5 day".', "The refund now takes 5 days.", "failed"),
        ('It says "5 days … refund now".', "The refund now takes 5 days.", "failed"),
        ('It says "refund … later".', ["The refund is now.", "Not later."], "failed"),
        ('It says "refund … 5 days".', "The refund now takes 5 days.", "passed"),
        ('It says "café au lait".', "Cafe\u0301 au lait", "passed"),
        ('It says "a non-refundable fare".', "a non\u2011refund\u00adable fare", "passed"),
        ('It says "don\'t leave \u201chome\u201d now".', '{"text": "Don\\u2019t leave \\"home\\" now"}', "passed"),
    ],
)
def test_a_quotation_is_whole_words_in_their_order(answer: str, given: Any, outcome: str) -> None:
    """Of one text, typography aside; of a text that is JSON also its texts."""
    assert judge({"type": "grounded_quotes"}, Run().start().call("doc", given).answer(answer)).outcome == outcome


def test_an_answer_that_quotes_nothing_says_so() -> None:
    """It holds without a quotation, and its message does not speak of one."""
    result = judge({"type": "grounded_quotes"}, answered('He said "no".'))
    assert (result.outcome, result.message) == ("passed", "The answer quotes nothing of 2 words or more.")


@pytest.mark.parametrize(
    "quotation",
    ["‘full refund now’", "'full refund now'", "‹full refund now›", "«full refund now»", "‘we don’t refund’"],
)
def test_every_kind_of_quotation_mark_quotes(quotation: str) -> None:
    """Single, double, angle and low quotation marks are looked into; an apostrophe in a word ends none."""
    run = Run().start().call("doc", {"text": "no such thing"})
    result = judge({"type": "grounded_quotes"}, run.answer(f"He said {quotation}, today."))
    assert result.outcome == "failed"
    assert quotation in result.message
    run = Run().start().call("doc", {"text": "full refund now: we don't refund"})
    assert judge({"type": "grounded_quotes"}, run.answer(f"He said {quotation}, today.")).outcome == "passed"


@pytest.mark.parametrize(
    "text",
    [
        "The dogs' bowl and the cats' toys don't match.",
        "The dogs’ bowl and the cats’ toys don’t match.",
        "In the '90s, and it's the guests' choice.",
        "‘Tis the season, the guests’ choice.",
        "Rock 'n' roll isn't the Smiths' favourite.",
        "It is 5' 6\" tall and 6' wide.",
    ],
)
def test_apostrophes_do_not_quote(text: str) -> None:
    """Possessives, contractions and measures are no quotations."""
    run = Run().start().call("doc", {"text": "no such thing"})
    assert judge({"type": "grounded_quotes"}, run.answer(text)).outcome == "passed"


@pytest.mark.parametrize("mark", ["“", "«", "„", "‹", "‚", "‘", "'", '"', "'a ", "‘a’", "a'b"])
def test_many_marks_that_are_not_closed_are_read_in_good_time(mark: str) -> None:
    """Looking for quotations needs about linear time."""
    run = Run().start().answer(f"x {mark} ipsum " * 20_000)
    begun = time.process_time()
    judge({"type": "grounded_quotes"}, run)
    assert time.process_time() - begun < 1


@pytest.mark.parametrize(
    "text",
    [
        " ".join(str(number * 7919) for number in range(5000)),
        "1 " * 5000,
        "The total is " + " ".join(str(number * 7919) for number in range(5000)),
        "\n".join(f"{number}. Each ${number * 7919}.50" for number in range(1, 3000)),
        "A total of 1 and 2: " + "3, " * 5000,
        ", ".join(f"+1 555 22{number:06d}" for number in range(5000)),
        ", ".join(f"{number} min" for number in range(5000)),
    ],
)
def test_many_figures_are_read_in_good_time(text: str) -> None:
    """Looking for what figures rest on needs about linear time."""
    begun = time.process_time()
    complaints(text, {"rows": list(range(1, 2000)), "wait_minutes": [1, 5], "phones": ["+49 555-123456"] * 2000})
    assert time.process_time() - begun < 1.5


def test_figures_that_were_not_looked_at_are_said() -> None:
    """Of very many figures that nothing gave, the first 500 are derived; the evidence says how many were not."""
    run = Run().start().call("t", {"v": 1}).answer(" ".join(str(number * 7919) for number in range(1, 701)))
    result = judge({"type": "grounded_numbers"}, run)
    assert result.outcome == "failed"
    assert result.evidence["not_derived"] == 200
    assert "200 more" in result.message


def test_sources_must_be_named_and_come_from_tools() -> None:
    """No source fails, a tool's URL passes, an invented one fails."""

    def outcome(answer: str) -> str:
        run = Run().start(said="see https://user.example").call("s", {"url": "https://a.example/x", "id": "DOC-1234"})
        return judge({"type": "cites_source"}, run.answer(answer)).outcome

    assert outcome("Trust me.") == "failed"
    assert outcome("See https://a.example/x.") == "passed"
    assert outcome("See DOC-1234.") == "passed"
    assert outcome("See https://user.example.") == "failed"
    assert outcome("See https://a.example/x and DOC-9999.") == "failed"


@pytest.mark.parametrize(
    ("source", "is_given"),
    [
        ("https://a.example/docs/page-10", True),
        ("https://a.example/docs/page-10/", True),
        ("https://a.example/docs", True),
        ("https://a.example", True),
        ("https://a.example/docs/page-1", False),
        ("https://a.example/doc", False),
        ("https://a.exam", False),
        ("DOC-1234", True),
        ("DOC-123", False),
        ("OC-1234", False),
        ("HAT069", True),
        ("HAT06900", False),
    ],
)
def test_the_beginning_of_a_source_is_another_source(source: str, is_given: bool) -> None:
    """A source is the same to its end; of a URL, its site and its folders are given too."""
    run = Run().start().call("s", {"url": "https://a.example/docs/page-10", "id": "DOC-1234.pdf", "by": "x_HAT069"})
    result = judge({"type": "cites_source"}, run.answer(f"See {source}."))
    assert result.outcome == ("passed" if is_given else "failed"), result.message


def test_an_answer_without_figures_passes() -> None:
    """There is nothing to ground."""
    assert judge({"type": "grounded_numbers"}, answered("No data.")).outcome == "passed"


# -- real sessions

needs_sessions = pytest.mark.skipif(not SESSIONS.exists(), reason="the real sessions are not at hand")


def _sessions(reward: float) -> list[list[dict[str, Any]]]:
    return [s["traj"] for s in json.loads(SESSIONS.read_text("utf-8")) if s["reward"] == reward]


def _answers(messages: list[dict[str, Any]]) -> Any:
    grounds = Grounds()
    answers = Answers(grounds)
    for message in messages:
        content = message.get("content") or ""
        if message["role"] != "assistant":
            grounds.add(content, message["role"], prose=message["role"] != "tool")
        elif content:
            yield grounds, answers, content


@needs_sessions
def test_real_honest_answers_are_hardly_ever_complained_about() -> None:
    """Of some 290 answers in sessions that were done right, at most 3 are complained about."""
    read = [bool(answers.read(text)) for session in _sessions(1.0) for _, answers, text in _answers(session)]
    assert len(read) > 250
    assert sum(read) <= 3


@needs_sessions
def test_one_changed_figure_in_a_real_answer_is_found() -> None:
    """At least 95 of 100 figures that were changed to a value that nobody gave are found."""
    random = Random(5)
    found = []
    for session in _sessions(1.0):
        for grounds, answers, text in _answers(session):
            for figure in read_figures(text):
                reading = figure.options[0][0]
                if not isinstance(reading, (Number, Date)):
                    continue
                digits = (random.choice("123456789") if c.isdigit() else c for c in figure.text)
                changed = "May 3, 1961" if isinstance(reading, Date) else "".join(digits)
                others = [r.value for f in read_figures(f"x {changed}") for r in f.options[0] if isinstance(r, Number)]
                if any(value in grounds.numbers for value in others):
                    continue
                altered = (
                    text[: figure.start]
                    + text[figure.start : figure.end].replace(figure.text, changed)
                    + text[figure.end :]
                )
                left = Answers(grounds).read(altered)
                found.append(any(f.start <= figure.start + len(changed) and f.end > figure.start for f in left))
            answers.read(text)
    assert len(found) > 150
    assert sum(found) / len(found) >= 0.95
