# frozen_string_literal: true

require_relative "../base/hooks"
require_relative "../wire/layout"
require_relative "../base/native"

module PhusionPassenger
  # The application's answer cannot be sent as it is.
  class BadResponse < StandardError; end

  # Makes header lines from the headers of a Rack response. In Rack 2 a value is a string, with a
  # newline between several values; in Rack 3 it may be an array of strings.
  module ResponseHead
    NAME = /\A[!#$%&'*+\-.^_`|~0-9A-Za-z]+\z/.freeze
    FORBIDDEN = /[\r\n\0]/.freeze
    NAMES_KEPT = 256

    # Checked names, each with the text before its values. Applications use few names; the limit is
    # for those that generate names.
    @names = {}

    def self.build(headers)
      (Native::LOADED && Native.head(headers, @names)) || build_any(headers)
    end

    def self.build_any(headers)
      head = String.new(capacity: 512, encoding: Encoding::BINARY)
      headers.each do |name, value|
        prefix = @names[name] || check_name(name) or next
        if value.is_a?(Array)
          value.each { |one| append(head, prefix, one) }
        else
          append(head, prefix, value)
        end
      end
      return head if head.bytesize <= Layout::Reply::HEAD_LIMIT

      raise BadResponse, "the head has #{head.bytesize} bytes, more than " \
                         "#{Layout::Reply::HEAD_LIMIT}"
    end
    private_class_method :build_any

    def self.append(head, prefix, value)
      value = value.to_s
      value = value.b unless value.ascii_only?
      if FORBIDDEN.match?(value)
        append_lines(head, prefix, value)
      else
        head << prefix << value << "\r\n"
      end
    end
    private_class_method :append

    def self.append_lines(head, prefix, value)
      value.split("\n").each do |line|
        if FORBIDDEN.match?(line)
          raise BadResponse, "the header #{prefix.chomp(': ').inspect} has a forbidden character"
        end

        head << prefix << line << "\r\n"
      end
    end
    private_class_method :append_lines

    # Returns nil for names that only the server reads, those that begin with "!~" among them, and
    # for the transfer coding, which ChunkedDecoder removes.
    def self.check_name(name)
      text = name.to_s
      return nil if text.start_with?("rack.", "!~") || text.casecmp?("transfer-encoding") ||
                    Hooks::OOB_WORK_HEADERS.include?(text.downcase)
      unless text.ascii_only? && NAME.match?(text)
        raise BadResponse, "the head has a header named #{text.inspect}"
      end

      prefix = "#{text}: ".b.freeze
      @names[text.dup.freeze] = prefix if @names.size < NAMES_KEPT
      prefix
    end
    private_class_method :check_name
  end
end
