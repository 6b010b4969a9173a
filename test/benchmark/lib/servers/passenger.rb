# frozen_string_literal: true

require_relative 'passenger_server'

module Bench
  # (2) Phusion Passenger, as Debian packages it.
  class Passenger < PassengerServer
    ROOT = '/usr/lib/ruby/vendor_ruby/phusion_passenger/locations.ini'

    def title
      'Passenger'
    end

    def missing
      return nil if File.exist?(module_file) && File.exist?(ROOT)

      'install the package libapache2-mod-passenger (then: a2dismod passenger)'
    end

    # It has no ASGI and no WebSockets, and gives a command no Unix socket.
    def serves?(app_name)
      !%i[asgi command].include?(App.interface(app_name)) && app_name != 'sockets'
    end

    private

    # The full path: this project's module is in the build folder.
    def module_file
      Httpd.module_file('passenger')
    end

    def passenger_root
      ROOT
    end

    def more_directives
      <<~DIRECTIVES
        PassengerInstanceRegistryDir "#{@places.run_folder}"
        PassengerLogFile "#{@httpd.folder}/passenger.log"
        PassengerDisableSecurityUpdateCheck on
        PassengerDisableAnonymousTelemetry on
      DIRECTIVES
    end
  end
end
