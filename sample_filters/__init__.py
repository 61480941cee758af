"""Sample Proxy-Wasm filters, and what builds them."""
