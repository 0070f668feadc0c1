"""`/v1`: the guard for everyone else, in OpenAI's protocol. Knows neither the page nor Gradio."""
