"""Ask a local server's health endpoint, past every proxy setting."""

import http.client
import ssl


def answers_ok(address: str, port: int, path: str, *, tls: bool, token: str | None = None) -> bool:
    """Tell whether a server answers 200.

    The certificate is not checked: the server has just made it, and nobody has told us yet what to expect.

    Args:
        address: The server's IP address.
        port: Its port.
        path: What to get.
        tls: Whether it speaks TLS.
        token: A bearer token, if it wants one.

    Returns:
        True on 200; False on any other answer and on none.
    """
    connection: http.client.HTTPConnection
    if tls:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = http.client.HTTPSConnection(address, port, timeout=5, context=context)
    else:
        connection = http.client.HTTPConnection(address, port, timeout=5)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        connection.request("GET", path, headers=headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
