"""Run by the spawn server: loads an application and forks instances of it."""

# multiprocessing imports this file under another name, in processes that are no preloaders.
if __name__ == "__main__":
    import os
    import sys

    # Not there where PYTHONSAFEPATH is set.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from mod_passenger import app_process
    from mod_passenger.preloader import Preloader

    app_process.start("PythonPreloader", lambda control, application: Preloader(control, application).run())
