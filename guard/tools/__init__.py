"""Tools of MCP servers that the operator lists: offered to models, called, and told of.

What a tool returns is text from outside. It is bounded, marked as such to the model and to the
reader, and never taken for the model's words or the guard's. Not covered: prompts, resources,
sampling and questions that a server asks back; whether a server can be trusted is for the operator.
"""
