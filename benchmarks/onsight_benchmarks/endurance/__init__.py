"""The live loop with all outputs at once for minutes: does anything grow, get older, fail or get lost?"""
