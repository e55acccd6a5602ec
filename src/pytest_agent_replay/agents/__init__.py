"""How an agent under test is found (`load`, `resolve`), called (`call`, `endpoint`, `asgi`), and understood."""
