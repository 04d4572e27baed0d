"""The whole system on one machine, in the foreground: `python -m gql.local`, which is what `make run` calls.

    __main__ ──► settings ──► preflight ──► children ──► supervisor ──► child ──► console
                 one reading   nothing is    what runs,   in order, and   one       one stream
                 of the        started that  and when it  back again      process   of lines
                 environment   can't work    answers                      group
                                                             └──► guardian: ends the children of a supervisor
                                                                  that was killed

Deployments start the same programs by other means (containers, systemd); nothing outside this folder knows of it.
"""
