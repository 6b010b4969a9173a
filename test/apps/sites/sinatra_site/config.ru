# frozen_string_literal: true

require "sinatra"

set :environment, :production
enable :sessions, :logging
set :session_secret, "s" * 64

get("/") { erb :index, locals: { name: params["name"] || session["name"] } }
post("/name") { session["name"] = params["name"]; redirect to("/") }
get("/about/*") do
  content_type :json
  JSON.generate("path" => params["splat"].first, "url" => url("/x"), "ip" => request.ip,
                "secure" => request.secure?)
end
get("/stream") do
  stream { |out| 3.times { |number| out << "piece #{number}\n"; sleep 0.05 } }
end
get("/file") { send_file "config.ru", type: :text }
get("/raises") { raise "on purpose" }
error { "an error page" }
not_found { "no such page" }

run Sinatra::Application
