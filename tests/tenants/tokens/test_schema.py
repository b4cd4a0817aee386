import pytest
from django.test import Client

pytestmark = pytest.mark.django_db
PROTECTED: dict[str, tuple[str, list[dict[str, list[str]]]]] = {
    "/api/v1/auth/me": ("get", [{"UserToken": []}]),
    "/api/v1/auth/logout": ("post", [{"UserToken": []}, {}]),
}
OPEN = {
    "/api/v1/auth/login": "post",
    "/api/v1/auth/refresh": "post",
    "/.well-known/jwks.json": "get",
}


def test_schema_describes_user_tokens() -> None:
    schema = Client().get("/api/v1/schema", headers={"accept": "application/json"}).json()
    scheme = schema["components"]["securitySchemes"]["UserToken"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    for path, (method, security) in PROTECTED.items():
        assert schema["paths"][path][method]["security"] == security
    for path, method in OPEN.items():
        assert schema["paths"][path][method]["security"] == [{}]
    for name in ("login", "refresh"):
        response = schema["paths"][f"/api/v1/auth/{name}"]["post"]["responses"]["200"]["content"][
            "application/json"
        ]
        example = next(iter(response["examples"].values()))["value"]
        assert set(example) == {"access_token", "refresh_token", "expires_in", "token_type"}
    assert {"401", "429", "400", "413", "415"} <= set(
        schema["paths"]["/api/v1/auth/login"]["post"]["responses"]
    )
