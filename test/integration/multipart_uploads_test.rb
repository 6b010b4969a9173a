# frozen_string_literal: true

require "json"

require_relative "support/integration_test"

# Files in forms (multipart/form-data), beyond the size of one message of the protocol. Each
# framework reads them by its own parser, and answers with the file.
class MultipartUploadsTest < IntegrationTest
  PYTHON = "/usr/bin/python3"
  SIZES = [131_072, 131_073, 300_000, 5_000_000].freeze

  RACK = <<~'RUBY'
    require "rack"

    run(lambda { |env|
      form = Rack::Request.new(env).params
      file = form["file"]
      [200, { "x-note" => "#{form['note']} #{file[:filename]}" }, [file[:tempfile].read]]
    })
  RUBY
  FLASK = <<~'PYTHON'
    from flask import Flask, Response, request

    application = Flask(__name__)

    @application.route("/", methods=["POST"])
    def echo():
        file = request.files["file"]
        return Response(file.read(), headers={"X-Note": f"{request.form['note']} {file.filename}"})
  PYTHON
  # `application` of the module wsgi or asgi.
  DJANGO = <<~'PYTHON'
    import django
    from django.conf import settings
    from django.core.KIND import get_KIND_application
    from django.http import HttpResponse
    from django.urls import path

    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="key")
    django.setup()

    def echo(request):
        file = request.FILES["file"]
        answer = HttpResponse(file.read(), content_type="application/octet-stream")
        answer["X-Note"] = f"{request.POST['note']} {file.name}"
        return answer

    urlpatterns = [path("", echo)]
    application = get_KIND_application()
  PYTHON
  # As multer, with the parser that Node has.
  NODE = <<~'JS'
    const { createServer } = require("http");

    createServer(async (request, response) => {
        const pieces = [];
        for await (const piece of request) pieces.push(piece);
        const headers = { "Content-Type": request.headers["content-type"] };
        const form = await new Response(Buffer.concat(pieces), { headers }).formData();
        const file = form.get("file");
        response.setHeader("X-Note", `${form.get("note")} ${file.name}`);
        response.end(Buffer.from(await file.arrayBuffer()));
    }).listen(3000);
  JS
  # Libraries by site, and the code that finds them.
  NEEDED = {
    "flask" => [PYTHON, "-c", "import flask"],
    "django" => [PYTHON, "-c", "import django"],
    "django-asgi" => [PYTHON, "-c", "import django"],
    # Node 18 and newer.
    "node" => ["node", "-e", "new Response().formData"]
  }.freeze
  APPS = {
    "rack" => [RACK, "config.ru"], "flask" => [FLASK, "passenger_wsgi.py"],
    "django" => [DJANGO.gsub("KIND", "wsgi"), "passenger_wsgi.py"],
    "django-asgi" => [DJANGO.gsub("KIND", "asgi"), "passenger_asgi.py"],
    "node" => [NODE, "app.js"]
  }.freeze

  def self.runs?(name)
    !NEEDED.key?(name) || system(*NEEDED[name], out: File::NULL, err: File::NULL)
  end

  serve do |made|
    made.set("PassengerMaxPoolSize", 12)
    APPS.each do |name, (code, file)|
      next unless runs?(name)

      more = file.end_with?(".py") ? "PassengerPython #{PYTHON}\n" : ""
      made.site("#{name}.test", SampleApps.written(code, file), more)
      made.site("#{name}-unbuffered.test", SampleApps.written(code, file),
                "#{more}PassengerBufferUpload off\n")
    end
  end

  APPS.each_key do |name|
    define_method("test_#{name.tr('-', '_')}_gets_files_of_forms_byte_by_byte") do
      skip "this machine lacks its libraries" unless self.class.runs?(name)
      ["#{name}.test", "#{name}-unbuffered.test"].product(SIZES).each do |site, size|
        assert_arrives(site, size)
      end
    end
  end

  private

  def assert_arrives(site, size)
    sent = Random.new(size).bytes(size)
    # What a parser may take for a boundary's begin.
    sent[131_000, 8] = "\r\n--\r\n\r\n"
    parts = [["note", "a & b=c"], ["file", StringIO.new(sent), { filename: "a b.bin" }]]
    answer = client(site).post_multipart("/", parts)
    assert_status 200, answer
    assert_equal "a & b=c a b.bin", answer["x-note"]
    assert sent == answer.body.b, "#{size} bytes to #{site} arrived changed"
  end
end
