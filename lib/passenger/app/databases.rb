# frozen_string_literal: true

module PhusionPassenger
  # The database connections of ActiveRecord in this process. Forks of the process must not share
  # them.
  module Databases
    ALL_ROLES_BY_NAME = Gem::Version.new("7.1")
    private_constant :ALL_ROLES_BY_NAME

    # Closes the connections of all roles; `connects_to` makes one role for writing and one for
    # reading. Without a role, Rails before 7.2 closes the connections of one role only, and 7.1
    # warns.
    def self.disconnect
      return unless defined?(::ActiveRecord::Base)
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
    def self.handlers
      base = ::ActiveRecord::Base
      several = if base.respond_to?(:legacy_connection_handling)
                  base.legacy_connection_handling
                else
                  base.respond_to?(:connection_handlers)
                end
      [base.connection_handler, *(base.connection_handlers.values if several)].uniq
    end
    private_class_method :handlers
  end
end
