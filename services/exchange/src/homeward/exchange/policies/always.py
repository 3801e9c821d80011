"""What no set of policies can leave out: it is part of every one, whoever wrote that."""

ALWAYS = """
@id("always.sandbox")
@reason("A partner in the sandbox sees made-up people, and only such a partner does.")
@tell("partner")
forbid (principal, action, resource) when { principal.sandbox != resource.synthetic };

@id("always.leaving")
@reason("The partner is leaving: all that it was given is taken back.")
@tell("partner")
forbid (principal, action, resource) when { principal.leaving };
"""
