# frozen_string_literal: true

require 'fileutils'
require 'rbconfig'
require_relative 'server'

module Bench
  # The directives that this project's module and Phusion Passenger share.
  class PassengerServer < Server
    # Has the next version of the application started.
    def restart
      FileUtils.mkdir_p(File.join(@app.folder, 'tmp'))
      FileUtils.touch(File.join(@app.folder, 'tmp', 'restart.txt'))
    end

    private

    def directives
      <<~DIRECTIVES
        LoadModule passenger_module "#{module_file}"
        PassengerRoot "#{passenger_root}"
        PassengerDefaultRuby "#{RbConfig.ruby}"
        PassengerPython /usr/bin/python3
        PassengerMinInstances #{@arrangement.instances}
        PassengerMaxPoolSize #{@arrangement.instances}
        PassengerMaxRequestQueueSize 100
        PassengerAppEnv production
        #{user_directives}
        #{more_directives}
        DocumentRoot "#{@app.folder}/public"
        PassengerAppRoot "#{@app.folder}"
        #{@app.environment.map { |name, value| "SetEnv #{name} \"#{value}\"" }.join("\n")}
      DIRECTIVES
    end

    def site_directives(site)
      "PassengerAppRoot \"#{site.folder}\"\nPassengerMinInstances 1"
    end

    def user_directives
      return '' unless @places.user

      "PassengerUser #{@places.user}\nPassengerGroup #{@places.group}"
    end

    def more_directives
      ''
    end
  end
end
