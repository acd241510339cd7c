"""The messages of PFS over gRPC. The `.proto` files are the source; `make wire` makes the modules beside them."""
