"""Run by the spawn server: loads an application and forks instances of it."""

# multiprocessing imports this file under another name, in processes that are no preloaders.
if __name__ == "__main__":
    import os
    import sys

    # The loader's folder is not there where PYTHONSAFEPATH is set. An empty part of PYTHONPATH is
    # the application's folder, which comes when the loader's own modules are imported.
    sys.path[:] = [os.path.dirname(os.path.abspath(__file__))] + [
        one for one in sys.path if one not in ("", os.readlink("/proc/self/cwd"))
    ]
    from mod_passenger import app_process
    from mod_passenger.preloader import Preloader

    app_process.start("PythonPreloader", lambda control, application: Preloader(control, application).run())
