//! Who is who: credentials, domains, addresses and aliases, routes.
