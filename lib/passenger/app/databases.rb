# frozen_string_literal: true

require_relative "../base/log"

module PhusionPassenger
  # The database connections of ActiveRecord, Sequel and Mongoid in this process. Forks of the
  # process must not share them.
  module Databases
    ALL_ROLES_BY_NAME = Gem::Version.new("7.1")
    private_constant :ALL_ROLES_BY_NAME

    class << self
      # Before a preloader forks. An error of one library does not keep the others from it.
      def disconnect
        attempt { disconnect_active_record } if defined?(::ActiveRecord::Base)
        disconnect_sequel
        each_mongo_client(&:close)
      end

      # Before an instance forks a preloader. ActiveRecord lets go of its connections in a fork by
      # itself. Sequel would end the session that the instance still uses.
      def disconnect_sequel
        return unless defined?(::Sequel::DATABASES)

        ::Sequel::DATABASES.each { |database| attempt { database.disconnect } }
      end

      # In a forked instance. The others connect when they are used; the threads of Mongoid's
      # clients that watch the servers do not survive a fork.
      def reconnect
        each_mongo_client(&:reconnect)
      end

      private

      # Closes the connections of all roles; `connects_to` makes one role for writing and one for
      # reading. Without a role, Rails before 7.2 closes the connections of one role only, and 7.1
      # warns.
      def disconnect_active_record
        if ::ActiveRecord.version >= ALL_ROLES_BY_NAME
          return ::ActiveRecord::Base.connection_handler.clear_all_connections!(:all)
        end

        handlers.each do |handler|
          if handler.respond_to?(:all_connection_pools)
            handler.all_connection_pools.each(&:disconnect!)
          else
            handler.clear_all_connections!
          end
        end
      end

      # Rails 6.0 always has a handler for each role, 6.1 unless it is configured otherwise.
      def handlers
        base = ::ActiveRecord::Base
        several = if base.respond_to?(:legacy_connection_handling)
                    base.legacy_connection_handling
                  else
                    base.respond_to?(:connection_handlers)
                  end
        [base.connection_handler, *(base.connection_handlers.values if several)].uniq
      end

      def each_mongo_client
        return unless defined?(::Mongoid::Clients)

        ::Mongoid::Clients.clients.each_value { |client| attempt { yield client } }
      end

      def attempt
        yield
      rescue StandardError => e
        Log.exception("preloader.disconnect_failed", e)
      end
    end
  end
end
