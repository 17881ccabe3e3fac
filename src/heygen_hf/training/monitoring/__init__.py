"""What a run says about itself while it trains."""
