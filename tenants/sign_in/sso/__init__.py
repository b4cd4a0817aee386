"""Single sign-on with an organization's own OpenID Connect provider.

`services` decides which member a provider's answer signs in, `protocol` talks to the provider,
`dns` proves mail domains, and `views` are the pages of signing in. The pages that set it up are in
`tenants.views.single_sign_on`.

A provider speaks for the mail domains of its organization and for nothing else. A domain counts for
one organization, once DNS proves it or platform staff assign it.
"""
