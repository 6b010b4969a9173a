# frozen_string_literal: true

require_relative "support/integration_test"
require_relative "support/missing_library"

# Python applications that do not start: the cause is in the first line of the log and on the page.
class PythonFailuresTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  FASTAPI = system("#{PYTHON} -c 'import fastapi' >/dev/null 2>&1")
  # An application whose startup is this line.
  def self.starting(line)
    <<~PYTHON
      import socket
      from fastapi import FastAPI
      from pydantic import BaseModel
      application = FastAPI()

      class Settings(BaseModel):
          database_url: str

      @application.on_event("startup")
      async def startup():
          #{line}
    PYTHON
  end

  # By site: the startup file, the exception, what the report says of the cause, and of the remedy.
  CASES = {
    "module" => ["import missing_library_x\n", "ModuleNotFoundError: No module named " \
                 "'missing_library_x' (in /usr/bin/python3)", "not installed", "-m pip install"],
    "syntax" => ["x = 1\ndef broken(:\n    pass\n", "SyntaxError: invalid syntax " \
                 "(passenger_wsgi.py, line 2)", "grammar", "py_compile"],
    "none" => ["x = 1\n", "defines no \"application\"", "application = ", "application = "],
    "wrong" => ["application = 5\n", "which cannot be called", "cannot be called", "function"],
    "exit" => ["import sys\nsys.exit('no settings')\n", "SystemExit: no settings",
               "called exit", "output"],
    "library" => ["import library\n", "libnosuch.so.1: cannot open shared object file",
                  "The system library libnosuch.so.1 is missing", "apt-file search libnosuch.so.1"],
    "memory" => ["import resource\nresource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))\n" \
                 "b'x' * (2 << 30)\n", "MemoryError", "too little memory", "Provide more memory"],
    "parameters" => ["def application(environ):\n    pass\n", "takes (environ), which cannot be " \
                     "called with (environ, start_response), as WSGI does", "no application",
                     "(environ, start_response) for WSGI"],
    "asynchronous" => ["async def application(scope):\n    pass\n", "takes (scope), which " \
                       "cannot be called with (scope, receive, send), as ASGI does",
                       "no application",
                       "(scope, receive, send) for ASGI"],
    "crash" => ["import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n", "killed by signal 11",
                "Python itself", "PYTHONFAULTHANDLER"],
    "ended" => ["import os, sys\ntry:\n    import missing_library_y\nexcept ImportError:\n    " \
                "sys.excepthook(*sys.exc_info())\n    os._exit(3)\n", "status 3 during the step " \
                "\"app loaded\": ModuleNotFoundError: No module named 'missing_library_y'",
                "not installed", "-m pip install missing_library_y"],
    "name" => ["print('printed once')\nundefined_name\n", "NameError: name 'undefined_name'",
               "an error", "lines of the traceback"],
    "startup-connects" => [starting("socket.create_connection(('127.0.0.1', 1))"),
                           "ConnectionRefusedError: [Errno 111] Connection refused",
                           "a database or another server", "address and account"],
    "startup-imports" => [starting("import missing_library_z"), "ModuleNotFoundError: No module " \
                          "named 'missing_library_z' (in /usr/bin/python3)", "not installed",
                          "-m pip install missing_library_z"],
    # As far as pydantic 1 and 2 write the same.
    "startup-settings" => [starting("Settings()"), "ValidationError: 1 validation error for " \
                           "Settings; database_url; ",
                           "raised an exception", "Python writes the last call last"]
  }.freeze

  serve do |made|
    CASES.each do |site, (code, *)|
      folder = SampleApps.written(code, "passenger_wsgi.py")
      if site == "library" && MissingLibrary::THERE
        MissingLibrary.write(File.join(folder, "library.so"))
      end
      made.site("#{site}.test", folder,
                "PassengerPython #{PYTHON}\nPassengerFriendlyErrorPages on\n")
    end
    made.site("interpreter.test", SampleApps.written("x", "passenger_wsgi.py"),
              "PassengerPython /nowhere/python3\nPassengerLoadShellEnvvars off\n" \
              "PassengerFriendlyErrorPages on\n")
  end

  def setup
    skip "there is no #{PYTHON}" unless File.executable?(PYTHON) || name == LAST
  end

  CASES.each do |site, (_code, exception, cause, remedy)|
    define_method("test_the_report_of_the_site_#{site.tr('-', '_')}") do
      skip "there is no cc" if site == "library" && !MissingLibrary::THERE
      if site.start_with?("startup-") && !FASTAPI
        skip "there is no FastAPI (Debian: python3-fastapi)"
      end
      position = server.log.position
      page = assert_status(500, client("#{site}.test").get("/")).body
      shown = page.gsub("&quot;", '"').gsub("&#39;", "'").gsub(/<[^>]*>/, "")
      [exception.sub(/\A\w+: /, ""), cause, remedy].each { |text| assert_includes shown, text }
      # The frames of the loader are left out.
      refute_match(%r{/mod_passenger/\w+\.py}, page)
      first = server.log.wait_for(/event=spawn.failed .*#{Regexp.escape(root(site))}/)
      assert_includes first.gsub('\"', '"'), exception.sub(/\A\w+: /, "")
      # The backtrace is in the report alone.
      assert_equal 0, server.log.count(/event=.*Traceback/, position)
    end
  end

  def test_a_line_that_was_printed_is_in_the_log_once
    client("name.test").get("/")
    server.log.wait_for(/output: printed once/)
    processes = server.log.text.scan(/App (\d+) output: printed once/)
    assert_equal processes.uniq, processes
  end

  def test_the_page_names_an_interpreter_that_does_not_exist
    page = assert_status(500, client("interpreter.test").get("/")).body
    assert_includes page, "Python interpreter does not exist"
    assert_includes page, "PassengerPython"
  end

  private

  def root(site)
    server.configuration.sites.find { |one| one.name == "#{site}.test" }.root
  end
end
