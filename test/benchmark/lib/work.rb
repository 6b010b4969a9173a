# frozen_string_literal: true

module Bench
  # One row of the benchmark: which page, asked for by how many clients.
  Work = Struct.new(:key, :title, :app, :path, :clients, keyword_init: true) do
    def selected_by?(names)
      names.empty? || names.any? { |name| key == name || app == name }
    end
  end

  WORKS = [
    Work.new(key: 'hello-16', title: 'hello Rack, 16 clients', app: 'hello', path: '/hello', clients: 16),
    Work.new(key: 'hello-1', title: 'hello Rack, 1 client', app: 'hello', path: '/hello', clients: 1),
    Work.new(key: 'rails-plain', title: 'Rails plain action, 8 clients', app: 'rails', path: '/plain', clients: 8),
    Work.new(key: 'rails-list', title: 'Rails list from SQLite, 8 clients', app: 'rails', path: '/posts', clients: 8)
  ].freeze
end
