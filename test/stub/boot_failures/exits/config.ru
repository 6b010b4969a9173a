# frozen_string_literal: true

# Ends without an exception.
warn "good bye from config.ru"
exit! 7
