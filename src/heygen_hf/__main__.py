"""`python -m heygen_hf`, and what `accelerate launch … -m heygen_hf` starts on every process."""

from heygen_hf.cli.main import main

if __name__ == "__main__":
    main()
