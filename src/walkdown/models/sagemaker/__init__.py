"""Models in Amazon SageMaker: endpoints that answer at once, or by way of S3, and batch transform.

What is sent and how an answer is read is said by the card (`models.mapping`); here it is asked.
"""
