"""Text: templated knowledge and talk, requests for media, readers of the open corpus."""
