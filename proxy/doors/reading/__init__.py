"""What several doors read alike: parameters, schemas, calls, searches, sizes."""
