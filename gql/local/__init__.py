"""The whole system on one machine, in the foreground: `python -m gql.local`, which `make run` calls.

    __main__ ──► settings ──► preflight ──► programs ──► supervisor ──► child ──► console
                 read once    checks        what runs    start, watch,  one       one stream
                              before the    and when it  stop in order  process   of prefixed
                              first start   is ready                    group     lines
                                                             └──► guardian: stops the programs if the
                                                                  supervisor was killed

Deployments start the same programs by other means (containers, systemd). Nothing outside this folder imports it.
"""
