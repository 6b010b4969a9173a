"""Run by the spawn server: loads an application and serves it. Instances that a preloader forks do
not run this."""

# multiprocessing imports this file under another name, in processes that are no instances.
if __name__ == "__main__":
    import os
    import sys

    # Not there where PYTHONSAFEPATH is set.
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    from mod_passenger import app_process, frames
    from mod_passenger.app_instance import AppInstance
    from mod_passenger.preloader import prepare_memory

    def serve(control, application):
        prepare_memory()
        control.write(frames.LOADED, application.form)
        AppInstance(control, application, False).run()

    app_process.start("PythonApp", serve)
