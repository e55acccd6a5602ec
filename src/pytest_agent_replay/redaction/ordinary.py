"""Names that are also ordinary words or places."""

from __future__ import annotations

from pytest_agent_replay.redaction.lists import listed

__all__ = ["AMBIGUOUS", "WITH_CAPITAL"]

AMBIGUOUS = frozenset(
    listed(
        """
    america an and any april art asia atlanta august austin autumn bank bar bay bean bell berry best bird black
    bond boston bow bridge brooklyn buck cairo can candy carolina case charlotte chelsea chester china church
    cleveland columbus cross dakota dallas day delta denver detroit devon diamond diego do does dollar dolly
    dublin east eden eve fair field fields fish florence florida flower flowers forest francisco frost gay geneva
    georgia germany gold golden good green guy hall hamilton hand havana heart henna her hill hills him his
    holiday holland honey houston ice in india indiana is israel jackson jacksonville jamaica jersey job jordan
    june kansas kent kenya kingston lake land lane law lincoln link little london long lord louis louisiana love
    low lyon madison major man manila may maya me melbourne memphis mexico miami milan mill milwaukee minnesota
    misty monday montana montreal moon my nashville nevada new newark no north oak ocean of on or orlando oxford
    paris park pepper philadelphia phoenix pilot pine plant pole pool portland power queen rain river rock roma
    rome rush sage salem san santa santiago savannah seattle see sergeant short sierra sky small so sofia song
    south spring star stockholm storm street strong summer summers sun sunday sunny sydney tab tampa texas thai
    the tiger tin to top toronto town unity vale valencia van vegas venice victoria vienna virginia wall warsaw
    washington way west white will winter yellow york you your zurich
    """
    )
)
"""Stand in texts with a capital letter without being a name: they are known by what stands beside them."""

WITH_CAPITAL = frozenset(
    listed(
        """
    ash baker banks barber basil bill bishop bowl brook brown bush butler cane carpenter carter cash chance chase
    chris christian clay coin cole coleman cook cooper cox crystal daisy dale dawn dean drake drew duke earl faith
    farmer fisher flores ford forrest fox frank freeman gale gates gene grace grant gray grey hazel heath heather
    holly hood hope hunt hunter iris ivy jack jade jasmine jay jewel joy judge king knight lance lee lily mark
    marks marsh mason mercy miller mills norm page paige parker parks pat patience paul pearl penny perry pierce
    piper poppy porter powers price prince ray read reed rich ripley rivers rob robin rocks rod rose rosemary ruby
    saint sandy shaw shepherd silver singer smith snow son steel sterling stone taylor temple tuck tucker turner
    usher valentine violet wade walker ward waters weaver wells wheeler willow wise wolf wood woods worth wright
    young
    """
    )
)
"""Names where they begin with a capital letter."""
