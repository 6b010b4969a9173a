# frozen_string_literal: true

require_relative "process_test_case"
require_relative "runs_python"

module PhusionPassenger
  # What a Python startup file calls the application (PassengerAppCallable), and the application's
  # form, in real processes.
  class PythonLoaderTest < ProcessTestCase
    prepend RunsPython

    APP = <<~'PYTHON'
      class Web:
          def __init__(self, text):
              self.text = text
          def __call__(self, environ, start_response):
              start_response("200 OK", [])
              return [self.text]

      app = Web(b"app")
      def create_app():
          return Web(b"made")

      async def coroutine(scope, receive, send):
          if scope["type"] == "http":
              await send({"type": "http.response.start", "status": 200, "headers": []})
              await send({"type": "http.response.body", "body": b"awaited"})

      class Framework:
          async def __call__(self, scope, receive, send):
              await coroutine(scope, receive, send)

      framework = Framework()
    PYTHON

    def test_an_instance_serves_the_callable_that_the_options_name
      in_folder("app.py" => APP) do |root|
        { "app" => "app", "create_app()" => "made" }.each do |name, text|
          instance = loaded("instance", "app.py", { app_root: root, app_callable: name })
          assert_equal text, get(serve(instance), instance, "/")
        end
      end
    end

    def test_a_relative_path_of_modules_begins_in_the_application_s_folder
      in_folder("app.py" => "from web import app\n") do |root|
        FileUtils.mkdir("#{root}/src")
        File.write("#{root}/src/web.py", APP)
        instance = loaded("instance", "app.py", { app_root: root, app_callable: "app" },
                          environment: { "PWD" => root, "PYTHONPATH" => "src" })
        assert_equal "app", get(serve(instance), instance, "/")
      end
    end

    # An empty part of it is the application's folder.
    def test_files_of_the_application_replace_no_module_of_the_loader
      files = { "app.py" => APP, "socket.py" => "raise Exception('not this one')\n" }
      in_folder(files) do |root|
        %w[instance preloader].each do |role|
          loaded(role, "app.py", { app_root: root, app_callable: "app" },
                 environment: { "PWD" => root, "PYTHONPATH" => ":/nowhere" })
        end
      end
    end

    def test_instances_of_a_preloader_serve_it
      in_folder("app.py" => APP) do |root|
        preloader = loaded("preloader", "app.py", { app_root: root, app_callable: "create_app()" })
        instance = forked_from(preloader)
        assert_equal "made", get(serve(instance), instance, "/")
      end
    end

    def test_a_name_that_is_not_there_fails_with_the_file_and_the_name
      in_folder("app.py" => APP) do |root|
        process, frames = load("instance", "app.py", { app_root: root, app_callable: "wiki" })
        assert_equal [52, "app loaded", "AttributeError"],
                     [frames.last.type, *frames.last.fields[0, 2]]
        message = "#{root}/app.py defines no \"wiki\". It defines \"app\": PassengerAppCallable app"
        assert_equal message, frames.last.fields[2]
        assert_includes output_of(process), "event=app.load_failed"
      end
    end

    def test_an_asgi_application_in_a_file_for_wsgi_is_served_and_the_agent_is_told
      in_folder("app.py" => APP) do |root|
        %w[coroutine framework].each do |name|
          more = { app_root: root, app_type: "wsgi", app_callable: name }
          instance, frames = load("instance", "app.py", more)
          assert_equal [51, ["asgi"]], [frames.last.type, frames.last.fields]
          instance.booted
          assert_equal "awaited", get(serve(instance, threads: 40), instance, "/")
          finish(instance)
          assert_includes output_of(instance), "event=app.asgi_found "
        end
      end
    end

    def test_the_agent_is_told_by_preloaders_too
      in_folder("app.py" => APP) do |root|
        { "app" => ["wsgi"], "coroutine" => ["asgi"] }.each do |name, told|
          more = { app_root: root, app_type: "wsgi", app_callable: name }
          _, frames = load("preloader", "app.py", more)
          assert_equal [51, told], [frames.last.type, frames.last.fields]
        end
      end
    end
  end
end
