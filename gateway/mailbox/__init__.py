"""What comes in by mail: reports about our own mails, and invoices of suppliers as PDF."""
