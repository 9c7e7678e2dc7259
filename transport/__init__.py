"""The network around `actors`: one port for WebSocket, HTTP and the chat page; and a client."""
