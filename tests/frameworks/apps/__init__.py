"""One agent, written with each framework: `lookup` answers, `boom` fails, `quote` asks over HTTP.

A file is named as the framework's file in `intercept.frameworks` and has

- `PACKAGES`: the distributions that it needs, `VARIANTS`: the names of its agents (both are read without an import),
- `AGENTS`: by variant, what a replay is given as its agent. All are made when the file is imported.

Their model is an OpenAI client (or the provider's own) without a server: replays answer for it.
"""
