"""The published pipeline that is fine-tuned: found, loaded (in few bits too), known again, sampled as it is."""
