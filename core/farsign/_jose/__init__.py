"""Floor 3: JWS, JWT, JWK, remote key sets and issuers (public through farsign.jws, farsign.jwt, farsign.jwk)."""
