# frozen_string_literal: true

# Pages that show, delay or break requests.
class DiagnosticsController < ApplicationController
  skip_forgery_protection only: :slow

  # The page for benchmarks: routing, a controller and its callbacks, no view and no database.
  def plain
    render plain: "Hello from Rails\n"
  end

  def environment
    render json: {
      pid: Process.pid,
      uid: Process.uid,
      gid: Process.gid,
      ruby: RUBY_VERSION,
      rails: Rails.version,
      environment: Rails.env,
      request: request.env.select { |_, value| value.is_a?(String) }
        .transform_values { |value| printable(value) },
      process: ENV.to_h.reject { |name, _| name == "SECRET_KEY_BASE" }
    }
  end

  def slow
    sleep params.fetch(:seconds, 1).to_f
    compute(params.fetch(:compute, 0).to_f)
    render plain: "awake, pid #{Process.pid}\n"
  end

  def failure
    raise ArgumentError, "raised on purpose"
  end

  def counter
    session[:counter] = session.fetch(:counter, 0) + 1
    render plain: session[:counter].to_s
  end

  def elsewhere
    redirect_to root_path
  end

  private

  # Uses so many seconds of processor time.
  def compute(seconds)
    ending = Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) + seconds
    nil while Process.clock_gettime(Process::CLOCK_THREAD_CPUTIME_ID) < ending
  end

  # JSON holds only UTF-8; a request's environment may hold any bytes.
  def printable(value)
    value.dup.force_encoding(Encoding::UTF_8).scrub
  end
end
