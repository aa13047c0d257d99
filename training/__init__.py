"""How the models in saved_models/ were made: one file an application, one fit loop, one builder a data set."""


class Stop(SystemExit):
    """Ends a run with one sentence that says what is wrong and what to do.

    Uncaught, it prints its sentence to standard error and leaves with exit status 1, without a traceback.
    """
