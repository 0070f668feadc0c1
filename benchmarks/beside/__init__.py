"""What the benchmarks of the page share: a host, a bare Gradio chat, and their servers."""
