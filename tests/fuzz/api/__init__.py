"""Generated calls of the API: ``make api-fuzz``."""
