"""The guard around LangChain's chat models, and as a step of a chain.

    from guard.langchain import GuardedChatModel, check

A reply goes the one way that all replies go (`pipeline.Run`); here the chat models are the caller's
own, and what they are told and say beside words (tools, pictures, usage) passes as it is. Needs
langchain-core alone. Not covered: several choices in one reply, and the mode `compare`.
"""

from .chat_model import GuardedChatModel
from .checking import check

__all__ = ["GuardedChatModel", "check"]
