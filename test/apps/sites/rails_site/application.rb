# frozen_string_literal: true

require "logger"
require "rails"
%w[active_record/railtie action_controller/railtie action_view/railtie active_storage/engine
   action_cable/engine].each { |part| require part }

# Uploads by Active Storage, a chat by Action Cable, and live events.
class Site < Rails::Application
  config.root = __dir__
  config.load_defaults Rails::VERSION::STRING.to_f
  config.eager_load = true
  config.secret_key_base = "5" * 64
  config.hosts.clear
  config.logger = Logger.new($stdout)
  config.log_level = :warn
  config.active_storage.service = :local
  config.action_cable.disable_request_forgery_protection = true
  config.action_cable.mount_path = "/cable"
  config.active_support.deprecation = :silence
  routes.append do
    resources :notes, only: %i[index create show]
    get "events", to: "live#events"
    get "gone", to: "live#gone"
    post "say", to: "notes#say"
  end
end

# Any visitor.
class VisitorConnection < ActionCable::Connection::Base
  identified_by :visitor
  def connect
    self.visitor = cookies["visitor"] || "nobody"
  end
end

class ChatChannel < ActionCable::Channel::Base
  def subscribed
    stream_from "chat"
  end

  def say(data)
    ActionCable.server.broadcast("chat", { "text" => data["text"], "by" => visitor })
  end
end

ActionCable.server.config.connection_class = -> { VisitorConnection }
ENV["RAILS_ENV"] ||= "production"
Rails.env = ENV["RACK_ENV"] || "production"
Site.initialize!

class Note < ActiveRecord::Base
  has_one_attached :paper
end

class NotesController < ActionController::Base
  protect_from_forgery with: :exception, except: :say
  def index
    session[:visits] = session[:visits].to_i + 1
    render inline: "<%= form_with(url: '/notes', multipart: true) { |f| f.submit } %>" \
                   "<p>visit <%= session[:visits] %>, <%= flash[:notice] %></p>" \
                   "<meta name='csrf' content='<%= form_authenticity_token %>'>"
  end

  def create
    note = Note.create!(paper: params.require(:paper))
    redirect_to note_url(note), notice: "kept"
  end

  def show
    redirect_to rails_blob_url(Note.find(params[:id]).paper, disposition: "attachment")
  end

  def say
    ActionCable.server.broadcast("chat", { "text" => params[:text] })
    head :no_content
  end
end

class LiveController < ActionController::Base
  include ActionController::Live
  def events
    response.headers["Content-Type"] = "text/event-stream"
    response.headers["Last-Modified"] = Time.now.httpdate
    sse = SSE.new(response.stream)
    400.times { |number| sse.write({ number: number }) && sleep(0.05) }
  rescue ActionController::Live::ClientDisconnected, IOError
    File.write("tmp/gone", "yes")
  ensure
    sse.close
  end

  def gone
    render plain: File.exist?("tmp/gone").to_s
  end
end
