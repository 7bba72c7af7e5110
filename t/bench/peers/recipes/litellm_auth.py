"""LiteLLM's custom_auth: the bearer is an RS256 token of the company's issuer, or nobody gets in.

LiteLLM's own JWT authentication needs a licence; this is the way it leaves to everybody else.
"""
import os
from pathlib import Path

import jwt
from fastapi import HTTPException
from litellm.proxy._types import UserAPIKeyAuth

PUBLIC_KEY = Path(os.environ["BENCH_PUBLIC_KEY"]).read_text()


async def user_api_key_auth(request, api_key):
    token = api_key.removeprefix("Bearer ")
    try:
        claims = jwt.decode(token, PUBLIC_KEY, algorithms=["RS256"], issuer=os.environ["BENCH_ISSUER"],
                            audience=os.environ["BENCH_AUDIENCE"])
    except jwt.InvalidTokenError as wrong:
        raise HTTPException(401, "invalid token") from wrong
    return UserAPIKeyAuth(api_key=claims["jti"], user_id=claims["sub"])
