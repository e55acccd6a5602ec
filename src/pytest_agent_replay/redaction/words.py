"""Words that stand for names: pronounceable, and of a form that no real name has by more than chance.

A pseudonym has to be known as one, or a file that is redacted already would be redacted again, and a scan would report
it. Lists of ordinary names cannot do that: real people have them.
"""

from __future__ import annotations

import re

from pytest_agent_replay.redaction.lists import listed

__all__ = ["WORDS", "is_made_up", "like", "word"]

_HEADS = listed(
    """
    Ba Be Bo Bra Bre Ca Co Cla Da De Do Dra Fa Fe Fi Fla Ga Ge Go Gra Ha He Ho Ja Jo Ka Ke Kla Ko La Le Lo Ma Me
    Mo Na Ne No Pa Pe Po Pra Ra Re Ro Sa Se So Sta Ta Te To Tra Va Ve Vo Wa We Wo Ya Ye Yo Za Ze Zo
    """
)
_MIDDLES = listed(
    """
    lvo lvu lzo lzu mzo mzu ndro ndru nvo nvu nzo nzu rbo rbu rvo rvu rzo rzu rdo rdu ldo ldu lmo lmu rmo rmu rgo
    rgu lgo lgu stro stru skro skru mbro mbru vlo vlu zlo zlu zmo zmu dvo dvu gvo gvu
    """
)
_TAILS = listed(
    """
    bek beth bix brick dach dane del dine dox fane fell fex gard gash ghan kell ken kett kin lath leck lins lock
    lund mack meth mund neck nell nish nock pell pex quin rach rell rick rond sand sell shan sk ster tack teck
    thal tham vane vath vell vick vond wald weth wick wynd zeck
    """
)

_BEGINNINGS = [head + middle for head in _HEADS for middle in _MIDDLES]
WORDS = len(_BEGINNINGS) * len(_TAILS)
"""How many there are."""
_MADE_UP = re.compile(f"(?:{'|'.join(_HEADS)})(?:{'|'.join(_MIDDLES)})(?:{'|'.join(_TAILS)})", re.IGNORECASE)


def word(number: int) -> str:
    """The word of that number, in title case."""
    beginning, tail = divmod(number % WORDS, len(_TAILS))
    return _BEGINNINGS[beginning] + _TAILS[tail]


def is_made_up(text: str) -> bool:
    """Whether it is such a word, in any case."""
    return _MADE_UP.fullmatch(text) is not None


def like(original: str, made: str) -> str:
    """`made` in the case of the original: upper, lower or title."""
    if original.isupper() and len(original) > 1:
        return made.upper()
    return made.lower() if original[:1].islower() else made
