"""Do the models withhold? Matched questions, asked of many models, counted with intervals.

`plan` holds what is asked, `asking` how, `record` what is kept of it, `statistics` and `findings`
what follows, `report` how that is told. It needs packages of its own (`requirements-audit.txt`);
the chat needs none of this.
"""
