# frozen_string_literal: true

require_relative "application"

folder = ActiveStorage::Engine.root.join("db/migrate").to_s
ActiveRecord::MigrationContext.new(folder, ActiveRecord::SchemaMigration).migrate
ActiveRecord::Base.connection.create_table(:notes, &:timestamps)
