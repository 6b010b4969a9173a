"""Run by the spawn server: loads an application and serves it. Instances that a preloader forks do
not run this."""

# multiprocessing imports this file under another name, in processes that are no instances.
if __name__ == "__main__":
    import os
    import sys

    # The loader's folder is not there where PYTHONSAFEPATH is set. An empty part of PYTHONPATH is
    # the application's folder, which comes when the loader's own modules are imported.
    sys.path[:] = [os.path.dirname(os.path.abspath(__file__))] + [
        one for one in sys.path if one not in ("", os.readlink("/proc/self/cwd"))
    ]
    from mod_passenger import app_process, frames
    from mod_passenger.app_instance import AppInstance
    from mod_passenger.preloader import prepare_memory

    def serve(control, application):
        prepare_memory()
        control.write(frames.LOADED, application.form)
        AppInstance(control, application, False).run()

    app_process.start("PythonApp", serve)
