"""The module on the day of the incident: what the loop said was printed."""

from labels import Labeller

labeller = Labeller(strict=False)
