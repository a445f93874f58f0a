"""What tests need of the world around engage: databases, servers, a browser, the command itself."""
