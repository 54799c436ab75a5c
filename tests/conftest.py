"""What every test may use. Rooms add fixtures in conftest files of their own folders."""
